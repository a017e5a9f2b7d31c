"""The rows of the three views, computed in Python: a second implementation of their rules, from plain rows.

`Tables` has the rows of each table as dictionaries: ids as `UUID`, times as aware `datetime`. Each function takes them
and the current time, and returns the rows of the view with its name, in no particular order.
"""

from support.views.oracle.dashboard import key_management_dashboard
from support.views.oracle.due import rotations_due
from support.views.oracle.health import key_health_monitor
from support.views.oracle.rows import Row, Tables

__all__ = ["Row", "Tables", "key_health_monitor", "key_management_dashboard", "rotations_due"]
