"""Ctrl-C at any moment: a driver can turn the exception into an error of its own, or lose it in a callback."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import click

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


@dataclass
class Stop:
    """The end of a command that runs until it is stopped."""

    event: threading.Event
    """Set when the command is told to end."""
    signal: int | None = None
    """The number of the signal."""


def status_of(stop: Stop) -> int:
    """Return the exit status of a command that was stopped; of Ctrl-C it says so."""
    if stop.signal != signal.SIGINT:
        return 0
    click.echo("Interrupted.", err=True)
    return STATUS


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Set an event at SIGTERM and at Ctrl-C; a second Ctrl-C interrupts."""
    stop = Stop(threading.Event())
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, frame: FrameType | None) -> None:
        if stop.signal == number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        stop.signal = number
        stop.event.set()

    before = {each: signal.signal(each, note) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
