"""Where the tests' time goes: `--costs` prints it per area and per kind of cost. See README.md in this folder.

A second is charged to one kind: all of a test whose file is about kills, races or mutations, and of any other test
what the outermost of the measured calls took. Times of workers are added up. Processor time is that of the workers
and of the processes they have waited for. Servers are waited for when the session ends: the last line has them, too.
"""

import functools
import os
import re
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.runtime.migration import MigrationContext

from support.engines.postgresql import PostgresqlEngine

WHOLE_FILES = {
    "kills": re.compile(r"interruption/|kill|interrupted"),
    "races": re.compile(r"test_concurrency|test_properties|under_load"),
    "mutations and probes": re.compile(r"mutations/|probe/"),
}
"""Files whose tests are one kind of cost from beginning to end."""

DEAREST = 40
"""The files that are printed one by one."""

CALLS: dict[str, tuple[tuple[type, str], ...]] = {
    "server starts": ((PostgresqlEngine, "_keep"), (PostgresqlEngine, "close")),
    "replays of history": ((MigrationContext, "run_migrations"),),
    "processes": tuple((subprocess.Popen, name) for name in ("__init__", "communicate", "wait")),
}
"""Calls whose time is a kind of cost; `time.sleep` is another."""


class Costs:
    """The processor time of one process."""

    def __init__(self) -> None:
        """Start with nothing, and measure from now on."""
        self.kinds: dict[str, float] = defaultdict(float)
        self.files: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
        self._kind: str | None = None
        self._main = threading.main_thread()
        for kind, calls in CALLS.items():
            for owner, name in calls:
                setattr(owner, name, self._charged(kind, getattr(owner, name)))
        time.sleep = self._charged("waits", time.sleep)

    def _charged(self, kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def charged(*arguments: Any, **named: Any) -> Any:
            if self._kind is not None or threading.current_thread() is not self._main:
                return call(*arguments, **named)
            self._kind, start = kind, time.monotonic()
            try:
                return call(*arguments, **named)
            finally:
                self._kind = None
                self.kinds[kind] += time.monotonic() - start

        return charged

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Charge a test to its area, and the rest of it to a kind."""
        path = item.path.relative_to(Path(__file__).parents[1] / "tests").as_posix()
        whole = next((kind for kind, files in WHOLE_FILES.items() if files.search(path)), None)
        charged_before = sum(self.kinds.values())
        self._kind, start, used = whole, time.monotonic(), processor_seconds()
        try:
            return (yield)
        finally:
            self._kind = None
            seconds = time.monotonic() - start
            self.kinds[whole or "the rest"] += seconds - (sum(self.kinds.values()) - charged_before)
            _add(self.files[path], [1, seconds, processor_seconds() - used])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over what was spent: a worker to the session that started it."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["costs"] = (dict(self.kinds), dict(self.files))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add what a worker has spent."""
        kinds, files = getattr(node, "workeroutput", {}).get("costs", ({}, {}))
        for kind, seconds in kinds.items():
            self.kinds[kind] += seconds
        for path, spent in files.items():
            _add(self.files[path], spent)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the tables, as Markdown."""
        terminalreporter.section("costs")
        areas: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
        for path, spent in self.files.items():
            _add(areas[path.partition("/")[0]], spent)
        dearest = sorted(self.files.items(), key=lambda entry: -entry[1][2])[:DEAREST]
        lines = _table("area", sorted(areas.items(), key=lambda entry: -entry[1][1]))
        lines += ["", *_table("dearest file", dearest)]
        lines += ["", "| kind of cost | seconds |", "|---|--:|"]
        lines += [f"| {kind} | {seconds:.0f} |" for kind, seconds in sorted(self.kinds.items(), key=lambda e: -e[1])]
        lines += ["", f"processor seconds of all processes that have ended: {processor_seconds():.0f}"]
        terminalreporter.write_line("\n".join(lines))


def _add(sums: list[float], spent: list[float]) -> None:
    sums[:] = [ours + theirs for ours, theirs in zip(sums, spent, strict=True)]


def _table(of: str, rows: list[tuple[str, list[float]]]) -> list[str]:
    head = [f"| {of} | tests | seconds | processor |", "|---|--:|--:|--:|"]
    return head + [f"| {name} | {tests:.0f} | {seconds:.0f} | {used:.0f} |" for name, (tests, seconds, used) in rows]


def processor_seconds() -> float:
    """Return what this process and the children it has waited for have used, user and system."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
