"""What runs in a process of `processes`: opens a state of a trail, and verifies the parts of it that are asked for."""

import os
import pickle
import queue
import signal
import sys
import threading
from contextlib import ExitStack
from typing import Any, BinaryIO

from kms_schema.audit.storage.trail import TrailError, readable_last_seal
from kms_schema.audit.verification.ranges import verify_part
from kms_schema.audit.verification.worker_pool import END


def main() -> None:
    """Do what standard input says until it says "end", and answer on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(os.dup(1), "wb") as answers:  # noqa: PTH123  (a descriptor)
        os.dup2(2, 1)  # what anything prints is no answer
        orders: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(orders,), daemon=True).start()
        _serve(orders, answers)
    os._exit(0)  # the thread still reads standard input, and an orderly end would want that


def _serve(orders: "queue.SimpleQueue[tuple[str, Any]]", answers: BinaryIO) -> None:
    trail = None
    with ExitStack() as opened:
        while (order := orders.get()) != END:
            name, value = order
            try:
                if name == "open":
                    opened.close()
                    trail = opened.enter_context(value.opened())
                    answer: object = readable_last_seal(trail)
                else:
                    assert trail is not None  # noqa: S101  (parts are asked for after a state was opened)
                    answer = verify_part(trail, value, lambda _, count: _send(answers, "told", count))
            except Exception as error:  # noqa: BLE001  (it is raised again in the process that asked)
                _send_error(answers, error)
            else:
                _send(answers, "done", answer)


def _listen(orders: "queue.SimpleQueue[tuple[str, Any]]") -> None:
    """Hand orders on, and end this process at once when nobody is left to give any."""
    try:
        while True:
            orders.put(pickle.load(sys.stdin.buffer))  # noqa: S301  (whoever started this process wrote it)
    except EOFError:
        os._exit(1)


def _send(answers: BinaryIO, kind: str, value: object) -> None:
    pickle.dump((kind, value), answers)
    answers.flush()


def _send_error(answers: BinaryIO, error: Exception) -> None:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:  # noqa: BLE001  (an error that cannot be sent is told in words)
        error = TrailError(f"{type(error).__name__}: {error}")
    _send(answers, "raised", error)
