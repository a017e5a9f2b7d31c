"""The attempts at the tags with which the ciphertexts of versions begin."""

from collections.abc import Iterator, Mapping

from kms_schema.validator.probe.attempt import Attempt, Engine, Promise, adding, plain
from kms_schema.validator.probe.rows import active_key, version
from kms_schema.validator.probe.shapes import identity, unique

TABLE = "key_versions"
TAG = 4_000_000_007


def attempts() -> Iterator[Attempt | Promise]:
    """Yield the attempts at tags; `versions` has those at other columns of versions."""
    of = active_key()
    given = (adding("key_masters", of),)
    row = version(of)
    taken = {"ciphertext_tag": TAG, "version_number": 2}
    tagged = version(of, ciphertext_tag=TAG)
    yield from unique(TABLE, f"uq_{TABLE}_ciphertext_tag", tagged, taken, given=given, conflict="ciphertext_tag")
    yield from identity(TABLE, row, permitted={"generation_time_ms": 7}, given=given, ciphertext_tag=TAG)
    drawn = f"trigger {TABLE}.draw_key_version_ciphertext_tag"
    by_engine: tuple[Mapping[Engine, tuple[str, ...]], ...] = (
        {"postgresql": (drawn,), "sqlite": (drawn,)},
        {"sqlite": (f"{drawn}_insert",)},
    )
    for protections in by_engine:
        yield Promise(
            protections,
            "a new version has a tag",
            adding(TABLE, row),
            plain("SELECT ciphertext_tag > 0 FROM {schema}.key_versions WHERE id = :id", id=row["id"]),
            given,
        )
