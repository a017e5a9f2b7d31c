"""The program of a worker: it opens an exported snapshot, and verifies the ranges that it receives."""

import os
import pickle
import queue
import signal
import sys
import threading
from contextlib import ExitStack
from typing import Any, BinaryIO

from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.verification.ranges import verify_range
from kms_schema.audit.verification.worker_pool import END


def main() -> None:
    """Carry out the orders of standard input until "end", and answer on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # output of anything else goes to standard error
        orders: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(orders,), daemon=True).start()
        _serve(orders, answers)
    os._exit(0)  # an orderly exit would wait for the thread, which still reads standard input


def _serve(orders: "queue.SimpleQueue[tuple[str, Any]]", answers: BinaryIO) -> None:
    snapshot: Any = None
    with ExitStack() as opened:
        while (order := orders.get()) != END:
            name, value = order
            try:
                if name == "open":
                    opened.close()
                    snapshot = opened.enter_context(value.opened())
                    answer: object = snapshot.seals.readable_last()
                else:
                    answer = verify_range(snapshot, value, lambda _, count: _send(answers, "progress", count))
            except Exception as error:  # noqa: BLE001  (it is raised again in the process that gave the order)
                _send_error(answers, error)
            else:
                _send(answers, "done", answer)


def _listen(orders: "queue.SimpleQueue[tuple[str, Any]]") -> None:
    """Queue the orders, and end this process at once when the process that gives them has ended."""
    try:
        while True:
            orders.put(pickle.load(sys.stdin.buffer))  # noqa: S301  (the process that started this one wrote it)
    finally:  # also in the middle of an order
        os._exit(1)


def _send(answers: BinaryIO, kind: str, value: object) -> None:
    pickle.dump((kind, value), answers)
    answers.flush()


def _send_error(answers: BinaryIO, error: Exception) -> None:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  (this process wrote it)
    except Exception:  # noqa: BLE001  (an exception that cannot be pickled is sent as its text)
        error = TrailError(f"{type(error).__name__}: {error}")
    _send(answers, "raised", error)
