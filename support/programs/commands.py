"""`kms-schema` as people type it, in this process: what it said, and its exit status."""

import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

from kms_schema.cli import run

URL_IN_ENVIRONMENT = "KMS_DATABASE_URL"


@dataclass(frozen=True)
class Said:
    """The result of a command."""

    status: int
    out: str
    err: str
    target: str = ""
    """The first line of standard error, where the command names the database that it is about to write."""

    @property
    def all(self) -> str:
        """Both output streams, as a terminal shows them."""
        return self.target + self.out + self.err

    @property
    def error(self) -> str:
        """The sentence that says what is wrong: the last line, which begins so."""
        lines = self.err.strip().splitlines()
        assert lines, "nothing on standard error"
        assert lines[-1].startswith("Error: "), self.err
        return lines[-1]


def kms_schema(*arguments: str, url: str | None = None, environment: Mapping[str, str] | None = None) -> Said:
    """Run a command, on the database at `url` if given; what a person would see as a traceback is raised."""
    given = [] if url is None else ["--database-url", url]
    out, err = io.StringIO(), io.StringIO()
    with _url_of_the_environment(environment or {}), redirect_stdout(out), redirect_stderr(err):
        status = run([*arguments, *given])
    target, said = re.fullmatch(r"(database: [^\n]*\n)?(.*)", err.getvalue(), re.DOTALL).groups("")  # type: ignore[union-attr]
    return Said(status, out.getvalue(), said, target)


@contextmanager
def _url_of_the_environment(instead: Mapping[str, str]) -> Iterator[None]:
    before = os.environ.pop(URL_IN_ENVIRONMENT, None)
    os.environ.update(instead)
    try:
        yield
    finally:
        for name in instead:
            os.environ.pop(name, None)
        if before is not None:
            os.environ[URL_IN_ENVIRONMENT] = before
