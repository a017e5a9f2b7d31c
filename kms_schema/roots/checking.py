"""Opens every row that is directly under a root, before an application uses the root at its new place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping, NoMaterialError, OpeningRefusedError, RootKeys
from kms_schema.crypto.dependents import Dependents, dependents_of, pages
from kms_schema.crypto.wrappers import Move
from kms_schema.database.pinned_path import with_pinned_path
from kms_schema.engine import BEGIN_OPTION
from kms_schema.models import HsmConfiguration, KeyVersion

_BATCH = 100

Progress = Callable[[int], None]
"""Receives the number of rows that were opened."""


@dataclass
class Checked:
    """The rows that were opened with one root."""

    reference: str
    type: str
    key: str
    """The name of the root key at its provider."""
    warnings: Sequence[str]
    versions: int = 0
    """Key versions that opened, each with the key check value of its row."""
    configurations: int = 0
    """HSM configurations whose credentials opened; credentials have no check value."""
    refused: list[str] = field(default_factory=list)
    """Rows that name the root and do not open, each with the reason."""
    unnamed: int = 0
    """HSM configurations that name no root, and do not open with this one."""


def check_roots(engine: sa.Engine, roots: RootKeys, *, progress: Progress | None = None) -> list[Checked]:
    """Open every key version and every credential that is directly under a root, and return the results.

    engine: of `kms_schema.create_engine`; nothing is written. roots: those to check. progress: called with the number
    of rows that were opened. Each version is compared with its key check value; destroyed versions have no material.

    Raises `CryptoError` if a root cannot be used. Example::

        with open_roots({"kms://root-2026": uri}) as roots:
            assert not any(each.refused for each in check_roots(engine, roots))
    """
    wrapping, opened, results = KeyWrapping(roots), 0, []
    with Session(with_pinned_path(engine).execution_options(**{BEGIN_OPTION: "BEGIN"})) as session:
        for reference, root in roots.items():
            checked = Checked(reference, root.type, root.key, tuple(root.health()))
            results.append(checked)
            for kind in dependents_of(wrapping, Move(reference, reference)):
                for ids in pages(session, kind):
                    for first in range(0, len(ids), _BATCH):
                        rows = kind.read(session, ids[first : first + _BATCH], lock=False)
                        for row in rows:
                            _open(kind, row, checked)
                        opened += len(rows)
                        if progress:
                            progress(opened)
                        session.expunge_all()
    return results


def missing_roots(engine: sa.Engine, roots: RootKeys) -> list[str]:
    """Return the references that rows of the database name, and that are not among `roots`."""
    with Session(with_pinned_path(engine).execution_options(**{BEGIN_OPTION: "BEGIN"})) as session:
        versions = sa.select(KeyVersion.wrapping_key_ref).where(KeyVersion.destroyed_at.is_(None))
        credentials = sa.select(HsmConfiguration.wrapping_key_ref).where(
            HsmConfiguration.authentication_config.is_not(None)
        )
        found = session.scalars(sa.union(versions, credentials)).all()
    return sorted(each for each in found if each is not None and each not in roots)


def _open(kind: Dependents, row: KeyVersion | HsmConfiguration, checked: Checked) -> None:
    try:
        kind.open(row)
    except (OpeningRefusedError, NoMaterialError) as error:
        if kind.unsaid(row):
            checked.unnamed += 1
        else:
            fault = error.without_advice if isinstance(error, OpeningRefusedError) else None
            checked.refused.append(f"{kind.name(row)}: {fault or error}")
        return
    if isinstance(row, KeyVersion):
        checked.versions += 1
    else:
        checked.configurations += 1
