"""A queue of key rotations in the database: keys that are due are planned, and workers claim them under a lease.

```python
queue = open_queue(connection)
queue.schedule_due()
claim = queue.claim("worker-1")
```

Each method is one transaction, or part of the transaction that the connection is in. A worker writes the new version
and calls `complete` in one transaction; if its lease has expired, `complete` raises `LeaseLostError` and nothing is
committed.
"""

from kms_schema.rotations.claims import Backoff, Claim, LeaseLostError, RotationError, Scheduled, Window
from kms_schema.rotations.listing import ListedRotation, NextDue
from kms_schema.rotations.opening import open_queue
from kms_schema.rotations.queue import RotationQueue

__all__ = [
    "Backoff", "Claim", "LeaseLostError", "ListedRotation", "NextDue", "RotationError", "RotationQueue", "Scheduled",
    "Window", "open_queue",
]  # fmt: skip
