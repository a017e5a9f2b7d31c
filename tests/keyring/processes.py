"""Processes of their own that use a ring: forked, so that a test pays no start of an interpreter."""

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Child:
    """A forked process, and what it has written."""

    pid: int
    pipe: int

    def read(self, most: int = 1 << 20) -> bytes:
        return os.read(self.pipe, most)

    def read_at_least(self, length: int) -> bytes:
        """Return so many bytes or a few more, and fail if the process ends before it has written them."""
        found = b""
        while len(found) < length:
            more = self.read()
            assert more, "the process has ended"
            found += more
        return found

    def read_to_the_end(self) -> bytes:
        """Return everything that it has not been read before; the process has ended then, and is gone."""
        found = b""
        while more := self.read():
            found += more
        os.close(self.pipe)
        os.waitpid(self.pid, 0)
        return found

    def read_within(self, seconds: float) -> bytes:
        """Return everything, and kill a process that has not ended by then: it waits for a lock that nobody has."""
        deadline, found = time.monotonic() + seconds, b""
        while select.select([self.pipe], [], [], max(0, deadline - time.monotonic()))[0]:
            if not (more := self.read()):
                return found + self.read_to_the_end()
            found += more
        os.kill(self.pid, signal.SIGKILL)
        return self.read_to_the_end() + b" and is killed"


def child(work: Callable[[Callable[[bytes], int]], None]) -> Child:
    """Call `work` in a forked process, with a function that writes to this one."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return Child(pid, reader)
    try:
        os.close(reader)
        work(lambda written: os.write(writer, written))
    except BaseException:  # noqa: BLE001  (a child never goes on with the tests of its parent)
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(0)
