"""Create, replace and drop objects by the names of their SQL files, with a declaration of what each statement does.

`files` is always a sequence of names without `.sql`, or one for each engine. `reads` names, for the file of a view, the
tables and views that it reads. `references` names, for the file of a table, the tables that its foreign keys refer to.
All names of relations are without the schema. An unknown file raises `FileNotFoundError`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from kms_schema.sql import SqlFile, load, text_of
from kms_schema.sql.declarations import Declaration, Lock, UndeclaredError, locking
from kms_schema.sql.operations import engine_name, execute, locks, schema

Files = Sequence[str] | Mapping[str, Sequence[str]]
Relations = Mapping[str, Sequence[str]]
Declared = tuple[str, Declaration]
"""A statement and what it does."""

NO_RELATIONS: Relations = MappingProxyType({})


def create_objects(files: Files, *, reads: Relations = NO_RELATIONS, references: Relations = NO_RELATIONS) -> None:
    """Create the objects of `files`, in this order, on the engine of the migration.

    Raises `UndeclaredError` for a view of PostgreSQL's that is not in `reads`.

    Example: `create_objects(("rotations_due_v01",), reads={"rotations_due_v01": ("key_masters", "key_versions")})`.
    """
    _execute(each for file in of_engine(files) for each in creation(file, reads.get(file), references.get(file, ())))


def create_triggers(files: Files) -> None:
    """Create the triggers among `files`, in this order; the caller has locked their tables."""
    create_objects([file for file in of_engine(files) if _is_trigger(file)])


def create_all_but_triggers(
    files: Files, *, reads: Relations = NO_RELATIONS, references: Relations = NO_RELATIONS
) -> None:
    """Create the objects among `files` that are no triggers, in this order, as `create_objects` does."""
    chosen = [file for file in of_engine(files) if not _is_trigger(file)]
    create_objects(chosen, reads=reads, references=references)


def replace_objects(files: Files, *, reads: Relations = NO_RELATIONS) -> None:
    """Replace other versions of the objects of `files`, in this order.

    On PostgreSQL a function is replaced under the triggers that call it, which locks no table, and a view that keeps
    its columns under the views that read it. Everything else is dropped and created, as triggers and views of SQLite.
    """
    _execute(each for file in of_engine(files) for each in _replacement(file, reads.get(file)))


def drop_objects(files: Files, *, references: Relations = NO_RELATIONS) -> None:
    """Drop the objects of `files`, in reverse order, and nothing that depends on them."""
    _execute(_removal(load(engine_name(), file), references.get(file, ())) for file in reversed(of_engine(files)))


def write_rows(files: Files, *, into: str, reads: Sequence[str] = ()) -> None:
    """Execute the INSERT or UPDATE of each file, which writes into the table `into` and reads all rows of `reads`."""
    for file in of_engine(files):
        taken = locks("ROW EXCLUSIVE", (into,), "rows") + locks("ACCESS SHARE", reads, "counting its rows", long=True)
        execute(text_of(engine_name(), file, schema()), Declaration(taken))


def run_statements(
    files: Files, *, reads: Sequence[str] = (), creates: Sequence[str] = (), drops: Sequence[str] = ()
) -> None:
    """Execute the statement of each file, which reads a few rows of `reads`.

    `creates` and `drops` are the names of tables that the statements of SQLite's table rebuild create and drop.
    """
    declaration = Declaration(locks("ACCESS SHARE", reads), creates=tuple(creates), drops=tuple(drops))
    for file in of_engine(files):
        execute(text_of(engine_name(), file, schema()), declaration)


def of_engine(files: Files) -> Sequence[str]:
    """Return the names of the files of the engine of the migration."""
    return files[engine_name()] if isinstance(files, Mapping) else files


def creation(
    file: str, reads: Sequence[str] | None, references: Sequence[str] = (), suffix: str = ""
) -> Iterator[Declared]:
    """Yield the statements that create the object of a file, each with its declaration.

    `suffix` is what the caller adds to the object's name in the statements. Raises `UndeclaredError`.
    """
    new = load(engine_name(), file)
    first, *more = new.create(schema())
    created = () if new.kind == "INDEX" or (new.kind == "TRIGGER" and _has_schemas(new)) else (new.full_name(schema()),)
    taken = _creation_locks(file, new, reads, references)
    yield first, Declaration(taken, creates=tuple(name + suffix for name in created))
    for statement in more:  # ENABLE ALWAYS TRIGGER, or REVOKE
        enabled = locking("SHARE ROW EXCLUSIVE", (new.table(schema()),)) if new.kind == "TRIGGER" else ()
        yield statement, Declaration(enabled)


def _creation_locks(
    file: str, new: SqlFile, reads: Sequence[str] | None, references: Sequence[str]
) -> tuple[Lock, ...]:
    if not _has_schemas(new):
        return ()
    name = new.full_name(schema()).removeprefix(f"{schema()}.")
    match new.kind:
        case "TABLE":
            return locks("SHARE ROW EXCLUSIVE", references, "foreign key")
        case "TRIGGER":
            return locking("SHARE ROW EXCLUSIVE", (new.table(schema()),), f"trigger {name}")
        case "INDEX":
            return locking("SHARE", (new.table(schema()),), f"building {name}", long=True)
        case "VIEW" | "MATERIALIZED VIEW":
            if reads is None:
                raise UndeclaredError(f"{file}: declare which tables and views it reads", reason="reads")
            filled = new.kind == "MATERIALIZED VIEW"
            return locks("ACCESS SHARE", reads, f"{'filling' if filled else 'view'} {name}", long=filled)
    return ()


def _replacement(file: str, reads: Sequence[str] | None) -> Iterator[Declared]:
    new = load(engine_name(), file)
    if new.kind == "FUNCTION" or (new.kind == "VIEW" and _has_schemas(new)):
        create, declaration = next(creation(file, reads))
        replaced = locking("ACCESS EXCLUSIVE", (new.full_name(schema()),)) if new.kind == "VIEW" else ()
        create = create.replace("CREATE ", "CREATE OR REPLACE ", 1)
        yield create, Declaration(replaced + declaration.locks)
    else:
        yield _removal(new)
        yield from creation(file, reads)


def _removal(old: SqlFile, references: Sequence[str] = ()) -> Declared:
    name = old.full_name(schema())
    declaration = Declaration(drops=(name,))
    if _has_schemas(old):
        match old.kind:
            case "TRIGGER":
                taken = locking("ACCESS EXCLUSIVE", (old.table(schema()),), f"trigger {name}")
                declaration = Declaration(taken)
            case "INDEX":
                declaration = Declaration(locking("ACCESS EXCLUSIVE", (old.table(schema()),), f"index {name}"))
            case "TABLE" | "VIEW" | "MATERIALIZED VIEW":
                taken = locking("ACCESS EXCLUSIVE", (name,)) + locks("ACCESS EXCLUSIVE", references, "foreign key")
                declaration = Declaration(taken, drops=(name,))
    return old.drop(schema()), declaration


def _is_trigger(file: str) -> bool:
    return load(engine_name(), file).kind == "TRIGGER"


def _has_schemas(file: SqlFile) -> bool:
    return file.dialect == "postgresql"


def _execute(statements: Iterable[Declared]) -> None:
    for statement, declaration in statements:
        execute(statement, declaration)
