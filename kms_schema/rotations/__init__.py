"""Rotations as a queue in the database: what is due becomes planned, and workers take one each, under a lease.

```python
queue = open_queue(connection)
queue.schedule_due()
claim = queue.claim("worker-1")
```

Every method is a transaction of its own, or part of the one that the connection is in. A worker that makes the new
version and calls `complete` in one transaction can therefore not do it once its lease is lost: all of it is refused.
"""

from kms_schema.rotations.backoff import Backoff
from kms_schema.rotations.claims import Claim, LeaseLost, RotationError, Scheduled
from kms_schema.rotations.opening import open_queue
from kms_schema.rotations.queue import RotationQueue
from kms_schema.rotations.windows import Window

__all__ = ["Backoff", "Claim", "LeaseLost", "RotationError", "RotationQueue", "Scheduled", "Window", "open_queue"]
