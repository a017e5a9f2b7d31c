"""Measurements of the performance targets of the package; `scripts/benchmark.py` runs them.

`targets` lists the targets, and one module measures each. `places` creates the databases, `timing` measures times.
Targets are ratios within one run, since seconds depend on the machine.
"""
