"""Anomalies: each rule, and a simulated year."""
