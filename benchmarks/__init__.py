"""Measurements of what the package promises about speed; `scripts/benchmark.py` is their thin face.

`targets` lists them, a module each measures them, `places` makes the database for it and `timing` the times. What is
promised are ratios within one run: seconds depend on the machine.
"""
