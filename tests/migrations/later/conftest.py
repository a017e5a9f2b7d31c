"""In the copy the tests of the later revisions run, and here those that run the copy's."""

from support.later import LAID_OVER

collect_ignore = ["test_later_revisions.py" if LAID_OVER else "test_exchanges.py"]
