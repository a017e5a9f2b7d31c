"""Rules, routes and a dashboard for Prometheus, Alertmanager and Grafana, from the names of the metrics."""
