"""The files for Prometheus, Alertmanager and Grafana: rules, routes and a dashboard, from the names of the metrics."""
