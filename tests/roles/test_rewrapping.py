"""Rewrapping and destruction need no more than kms_rotator has, and no other role can do them."""

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping, RootKeys
from kms_schema.roles.definition import Role
from support.programs.commands import kms_schema
from support.statements import execute
from tests.crypto.wrapped_trees import NEXT_ROOT, ROOT, Tree, held, two_roots, wrappers
from tests.roles.granted import Granted

pytestmark = pytest.mark.only_on("postgresql")


def test_kms_rotator_alone_moves_everything_and_destroys(granted: Granted, tmp_path: Path) -> None:
    files = two_roots(tmp_path)
    given = [word for reference, file in files.items() for word in ("--root-key", f"{reference}={file}")]
    engine = granted.database.engine()
    with Session(engine) as session:
        tree = Tree(session, KeyWrapping(RootKeys.from_files(files)))
        key_id = tree.kek.key_id
        session.commit()
        with granted.member(Role.ROTATOR) as rotator:
            said = kms_schema("rewrap", "--from", tree.first, "--to", tree.second, *given, url=rotator.url)
            assert said.status == 0, said.all
            said = kms_schema("rewrap", "--from", ROOT, "--to", NEXT_ROOT, *given, url=rotator.url)
            assert said.status == 0, said.all
            assert held(session, tree.wrapping) == tree.keys
            assert wrappers(session) == {tree.second: 5, NEXT_ROOT: 3}
            session.commit()
            with closing(rotator.connect()) as connection:
                left = "SELECT sum(dependent_versions) FROM key_wrapping_dependents WHERE version_number = 1"
                assert execute(connection, left).fetchone() == (0,)
            said = kms_schema("destroy-version", key_id, "1", "--yes", url=rotator.url)
            assert said.status == 0, said.all
        for role in (Role.APP, Role.ADMIN, Role.AUDITOR):
            with granted.member(role) as other:
                said = kms_schema("rewrap", "--from", NEXT_ROOT, "--to", ROOT, *given, url=other.url)
                assert (role, said.status) == (role, 3), said.all
    engine.dispose()
