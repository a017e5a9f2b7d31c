"""Write the SQL that follows from the models: tables, and the triggers that list the columns of a table.

    python -m tools.derived_sql            writes the files
    python -m tools.derived_sql --count    says how many lines of SQL have another source

The whole text follows for a table, for the guard triggers against NULL, too long values and a second row with the same
key, for most triggers that record changes, and on SQLite for `touch_…_updated_at` and the triggers of new rows: these
files begin with `MARK`. Of other files a part is written: `derived_audit` and `derived_protections` say which. From
1.0 on no file changes.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from kms_schema import sql
from kms_schema._version import __version__
from kms_schema.models import Base
from tools import derived_audit, derived_protections
from tools.model_ddl import table_statement
from tools.recorded_columns import RECORDED
from tools.sql_templates import MARK

ROOT = Path(__file__).resolve().parents[1]
ENGINES = ("postgresql", "sqlite")


def whole_texts(engine: str, files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield the files whose whole text follows, by name without version."""
    for table in Base.metadata.sorted_tables:
        if table.info.get("only_on", engine) == engine:
            yield table.name, table_statement(table, engine)
    yield from derived_protections.written_once(engine)
    for name, recorded in RECORDED.items():
        yield from derived_protections.identities(name, recorded, engine)
        if engine == "postgresql":
            yield from derived_protections.bounds_on_postgresql(name, recorded)
            yield from derived_protections.touch_on_postgresql(name, recorded)
            yield from derived_audit.on_postgresql(name, recorded)
            continue
        yield from derived_protections.bounds_on_sqlite(name, recorded)
        yield from derived_protections.nulls_on_sqlite(name, recorded)
        yield from derived_protections.touch_on_sqlite(name, recorded)
        yield from derived_protections.unique_on_sqlite(name, recorded)
    if engine == "sqlite":
        yield from derived_protections.new_rows_on_sqlite(files)
        yield from derived_protections.lifecycle_of_keys()
        yield from derived_protections.versions_of_rotations()


def texts() -> Iterator[tuple[Path, str, int]]:
    """Yield the files of which something follows, each with its text and the number of its own lines."""
    for engine in ENGINES:
        files = {file.name: file for file in sql.paths(engine).values()}
        for name, text in whole_texts(engine, files):
            yield files[f"{name}_v01.sql"], f"{MARK}{text.rstrip()}\n", 0
        if engine == "sqlite":
            yield derived_protections.lifecycle_of_rotations(files)
            for name, table in RECORDED.items():
                for trigger, text, own_lines in derived_audit.on_sqlite(name, table, files):
                    yield files[f"{trigger}_v01.sql"], text if own_lines else MARK + text, own_lines


def count() -> int:
    """Return how many lines of SQL do not follow from the models."""
    derived = {file: own_lines for file, _, own_lines in texts()}
    every = (ROOT / "kms_schema").rglob("*.sql")
    return sum(derived.get(file, file.read_text("utf-8").count("\n")) for file in every)


def main() -> None:
    """Write the files, or say how many lines do not follow."""
    if sys.argv[1:] == ["--count"]:
        print(count())
    elif int(__version__.partition(".")[0]) == 0:  # a released file never changes
        for file, text, _ in texts():
            if file.read_text("utf-8") != text:
                file.write_text(text, "utf-8")
                print(file.relative_to(ROOT))


if __name__ == "__main__":
    main()
