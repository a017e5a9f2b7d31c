"""SQL that rebuilds a table with another text and the same dependents."""

import re
from collections.abc import Callable

from tests.validator.mutations.kinds import Row

Change = Callable[[Row], str]


def rebuilt_table(row: Row, text: str) -> str:
    """Drop the table of a row and make it from `text`. Rows stay."""
    kept = f"CREATE TEMP TABLE kept AS SELECT * FROM {row['table']};" if row["holds"] else ""  # noqa: S608
    names = ", ".join(f'"{name}"' for name in row["column_names"])
    back = f"INSERT INTO {row['table']} ({names}) SELECT {names} FROM temp.kept;" if row["holds"] else ""  # noqa: S608
    return f"{kept} DROP TABLE {row['table']}; {text}; {back} {'; '.join(row['attached'])};"


def replaced(pattern: str, replacement: str) -> Change:
    """Return SQL that rebuilds the table of a column or constraint with its line changed."""

    def statements(row: Row) -> str:
        changed, count = re.subn(pattern, replacement, row["item"], count=1, flags=re.DOTALL)
        assert count, f"{row['item']} has no {pattern}"
        return rebuilt_table(row, row["sql"].replace(row["item"], changed, 1))

    return statements


def without_item(row: Row) -> str:
    """Rebuild the table without a column or constraint."""
    gone = re.sub(r",?\s*" + re.escape(row["item"]) + r"(?=,|\s*\n?\))", "", row["sql"], count=1)
    assert gone != row["sql"], row["item"]
    return rebuilt_table(row, gone)


def without_column(row: Row) -> str:
    """Rebuild the table without a column and its dependents: constraints, indexes and triggers."""
    named = re.compile(rf"\b{row['name']}\b")
    items = [item for item in row["items"] if not named.search(item)]
    head, tail = row["sql"].partition("\n")[0], row["sql"].rpartition("\n")[2]
    attached = [text for text in row["attached"] if not named.search(text)]
    columns = [name for name in row["column_names"] if name != row["name"]]
    text = ",\n    ".join(items)
    return rebuilt_table({**row, "attached": attached, "column_names": columns}, f"{head}\n    {text}\n{tail}")


def with_item(item: str) -> Change:
    """Return SQL that rebuilds a table with a further line at its end."""
    return lambda row: rebuilt_table(row, re.sub(r"\s*\n\)", lambda _: f",\n    {item}\n)", row["sql"], count=1))


def again(kind: str, pattern: str, replacement: str) -> Change:
    """Return SQL that recreates an index, trigger or view with another text."""

    def statements(row: Row) -> str:
        changed, count = re.subn(pattern, replacement, row["sql"], count=1, flags=re.DOTALL)
        assert count, f"{row['sql']} has no {pattern}"
        return f"DROP {kind} {row['name']}; {changed}; {'; '.join(row.get('triggers', ()))}"

    return statements


def having(pattern: str, text: str = "sql", present: bool = True) -> Callable[[Row], bool]:
    """Return whether the text of a row has a pattern in it."""
    return lambda row: bool(re.search(pattern, row[text], flags=re.DOTALL)) == present
