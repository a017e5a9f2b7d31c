"""Modules that are imported when a command uses them: SQLAlchemy and the drivers take a second, and help needs none.

```python
if TYPE_CHECKING:
    from kms_schema.migrate import program
else:
    program = on_use("kms_schema.migrate.program")
```
"""

import importlib
from typing import Any


class _OnUse:
    """A module that is imported when one of its public names is read.

    pytest and other tools ask any object for `__wrapped__` and the like; that imports nothing.
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self._module), name)


def on_use(module: str) -> Any:
    """Return `module`, which is imported when one of its public names is read."""
    return _OnUse(module)


def load(where: str) -> Any:
    """Import a place that is written as `module:name`, and return it."""
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)
