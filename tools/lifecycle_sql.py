"""The SQL of a lifecycle of the vocabulary, as the trigger of each engine contains it.

The SQL files are frozen text; a test compares the newest version of each with these functions. Print them with
`python -m tools.lifecycle_sql` when a lifecycle changes and its trigger gets a new version.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TypeVar

from kms_schema.vocabulary import KEY_LIFECYCLE, ROTATION_LIFECYCLE

Status = TypeVar("Status", bound=str)


def postgresql_lifecycle(lifecycle: Mapping[Status, Sequence[Status]]) -> str:
    """Return the lifecycle as the JSON object in which the plpgsql functions look up transitions."""
    lines = [
        f"        {json.dumps(str(before))}: {json.dumps([*map(str, after)])}" for before, after in lifecycle.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n    }"


def sqlite_lifecycle(rule: str, lifecycle: Mapping[Status, Sequence[Status]], *, only_if_changed: bool = False) -> str:
    """Return the statement of a BEFORE UPDATE trigger that refuses each transition the lifecycle lacks.

    RAISE takes only literals before SQLite 3.47, so each refused pair has its own line; any other status is refused as
    unknown. `only_if_changed` accepts an unchanged status, for a trigger that fires on other columns too.
    """
    lines = ["    SELECT CASE"]
    if only_if_changed:
        lines.append("        WHEN NEW.status IS OLD.status THEN NULL")
    for before, afters in lifecycle.items():
        if afters:
            listed = ", ".join(f"'{after}'" for after in afters)
            lines.append(f"        WHEN OLD.status = '{before}' AND NEW.status IN ({listed}) THEN NULL")
    for before, afters in lifecycle.items():
        for after in lifecycle:
            if after not in afters and after != before:
                lines.append(f"        WHEN OLD.status = '{before}' AND NEW.status = '{after}'")
                lines.append(f"            THEN RAISE(ABORT, '{rule}: status may not change from {before} to {after}')")
    lines.append(f"        ELSE RAISE(ABORT, '{rule}: unknown status')")
    lines.append("    END;")
    return "\n".join(lines)


if __name__ == "__main__":
    print(postgresql_lifecycle(KEY_LIFECYCLE))
    print(postgresql_lifecycle(ROTATION_LIFECYCLE))
    print(sqlite_lifecycle("enforce_key_lifecycle_consistency", KEY_LIFECYCLE))
    print(sqlite_lifecycle("enforce_key_rotation_lifecycle", ROTATION_LIFECYCLE, only_if_changed=True))
