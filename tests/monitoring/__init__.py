"""Monitoring: the parts of a scrape, the exporter, and checks."""
