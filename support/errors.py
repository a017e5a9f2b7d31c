"""Errors that have one class and several reasons."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from kms_schema import KmsSchemaError

Error = TypeVar("Error", bound=KmsSchemaError)


@contextmanager
def raises(
    error: type[Error], reason: str | None, *, match: str | re.Pattern[str] | None = None
) -> Iterator[pytest.ExceptionInfo[Error]]:
    """Expect an error of this class with this reason, and a message that matches."""
    with pytest.raises(error, match=match) as caught:
        yield caught
    assert caught.value.reason == reason
