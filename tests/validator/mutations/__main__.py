"""Try every mutation of a migrated database on the validator, and say what it found and fixed.

    python -m tests.validator.mutations --engine postgresql-18,sqlite --kind 'trigger:*'
    python -m tests.validator.mutations --url postgresql://postgres@127.0.0.1:5515/postgres --each 1
    python -m tests.validator.mutations --engine postgresql-18,sqlite --write-matrix
    python -m tests.validator.mutations --engine postgresql-13 --each 10 --write-matrix

Ends with 1 where something was missed, misnamed or not fixed.
"""

import argparse
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fnmatch import fnmatch

import psycopg

from support.engines import DEFAULT_ENGINES, Engines, parse_names
from tests.validator.mutations import matrix
from tests.validator.mutations.dialects import every_mutation, kinds_on
from tests.validator.mutations.kinds import Mutation
from tests.validator.mutations.runner import Court, Trial


def main() -> int:
    """Run the command."""
    parser = _parser()
    options = parser.parse_args()
    if options.write_matrix and options.kind != "*":
        parser.error("the matrix has every kind: leave --kind out to write it")
    names = parse_names(options.engine) if not options.url else (_named(options.url),)
    if missing := [name for name in names if not any(fnmatch(kind.name, options.kind) for kind in kinds_on(name))]:
        parser.error(f"no kind of mutation matches {options.kind!r} on {', '.join(missing)}")
    faults = 0
    tables: dict[str, str] = {}
    with closing(Engines()) as engines, _without_notes():
        for name in names:
            started = time.monotonic()
            trials = list(_tried(engines, name, options.kind, options.each))
            kinds = [kind.name for kind in kinds_on(name) if fnmatch(kind.name, options.kind)]
            tables[name] = matrix.table(kinds, trials)
            faults += sum(trial.fault is not None for trial in trials)
            print(
                f"\n{name}\n\n{tables[name]}\n\n{len(trials)} tried in {time.monotonic() - started:.0f} s", flush=True
            )
    if options.write_matrix:
        matrix.write(tables, options.each)
    print(f"{faults} faults")
    return int(faults > 0)


@contextmanager
def _without_notes() -> Iterator[None]:
    """Log no notes of upgrades; the process may be that of the tests, which look at them."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _parser() -> argparse.ArgumentParser:
    summary, _, examples = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m tests.validator.mutations",
        description=summary,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--engine", default=DEFAULT_ENGINES, metavar="NAMES", help="default: %(default)s")
    parser.add_argument("--url", help="a superuser's URL of a running PostgreSQL server, instead of --engine")
    parser.add_argument("--kind", default="*", metavar="PATTERN", help="such as 'trigger:*'")
    parser.add_argument("--each", type=int, metavar="NUMBER", help="no more than this many of each kind")
    parser.add_argument("--write-matrix", action="store_true", help=f"write {matrix.PAGE.name}")
    return parser


def _named(url: str) -> str:
    """Return the name of the engine behind a URL, from now on this server."""
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        major = connection.info.server_version // 10000
    os.environ[f"KMS_TEST_POSTGRESQL_{major}"] = url
    return f"postgresql-{major}"


def _tried(engines: Engines, name: str, pattern: str, each: int | None) -> Iterator[Trial]:
    template = engines.migrated(name, "template")
    kinds = [kind for kind in kinds_on(name) if fnmatch(kind.name, pattern)]
    mutations = list(_some(every_mutation(template, tuple(kinds)), each))
    kind = ""
    for number, trial in enumerate(Court(engines[name], template).trials(mutations), 1):
        if trial.mutation.kind.name != kind:
            kind = trial.mutation.kind.name
            print(f"{name} {number}/{len(mutations)} {kind}", file=sys.stderr, flush=True)
        if trial.fault is not None:
            print(f"{kind}, {trial.mutation.names}: {trial.fault}", flush=True)
        yield trial


def _some(mutations: list[Mutation], each: int | None) -> Iterator[Mutation]:
    """Yield all, or at most `each` of a kind, spread evenly over what they change."""
    of_a_kind = Counter(mutation.kind.name for mutation in mutations)
    seen: Counter[str] = Counter()
    for mutation in mutations:
        kind = mutation.kind.name
        number, of = seen[kind], of_a_kind[kind]
        seen[kind] += 1
        # The first whose share of `each`, rounded down, is larger than that of the one before.
        if each is None or of <= each or (number * each) // of != ((number - 1) * each) // of:
            yield mutation


if __name__ == "__main__":
    sys.exit(main())
