"""What rotations wait for that are not to be claimed now."""

import datetime as dt
from contextlib import closing

from support.engines import Database
from support.rows import smallest
from tests.rotations.setups import HOUR, a_policy, a_rotation, queue_of


def test_each_reason_to_wait_has_a_sentence(database: Database) -> None:
    with closing(database.connect()) as connection:
        queue = queue_of(connection)
        start, end = (f"{smallest.now() + hours * HOUR:%H:%M}" for hours in (2, 3))
        policy = a_policy(connection, rotation_window_start=start, rotation_window_end=end)
        for _ in range(2):
            a_rotation(connection, policy_id=policy["id"])
        a_rotation(connection)
        claim = queue.claim("night-1")
        assert claim is not None
        again = queue.fail(claim, "no quorum")
        assert again is not None
        later = smallest.now() + 5 * HOUR
        a_rotation(connection, scheduled_at=later)
        retried = f"1 is tried again at {again.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
        planned = f"1 is planned for later at {later:%Y-%m-%d %H:%M:%S} UTC"
        assert queue.pending() == [f"2 wait for their window {start}-{end} UTC", planned, retried]
        assert queue.pending(at_any_time=True) == [planned, retried]
