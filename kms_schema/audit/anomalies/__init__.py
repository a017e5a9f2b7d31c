"""Anomalies in the audit log: what it holds that ordinary use of keys does not write.

See the page "anomalies" of the documentation.
"""
