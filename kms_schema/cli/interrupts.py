"""Ctrl-C at any moment: a driver can turn the exception into an error of its own, or lose it in a callback."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

STATUS = 130
"""The exit status of an interrupted command."""


@dataclass
class Interrupt:
    """Notes that Ctrl-C was pressed."""

    received: bool = False


@contextmanager
def noted() -> Iterator[Interrupt]:
    """Note each Ctrl-C inside the block, which raises `KeyboardInterrupt` as usual.

    A program that ignores or handles SIGINT itself keeps doing so, and so do threads.
    """
    interrupt = Interrupt()

    def note(number: int, frame: FrameType | None) -> None:
        interrupt.received = True
        signal.default_int_handler(number, frame)

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
