"""Monitoring: what a scrape reads, from one snapshot; its metrics; and checks for Nagios and Icinga."""
