"""What Prometheus, Alertmanager and Grafana need: rules, routes and a dashboard, all from the names of the metrics."""
