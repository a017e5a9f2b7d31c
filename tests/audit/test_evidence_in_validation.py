"""`validate --level data`: what of the evidence can be asked without hashing the trail, and what cannot."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from kms_schema.validator import Finding, Report, validate
from kms_schema.validator.checks.rows import LISTED
from support.engines import Database
from support.engines.database import Connection
from support.rows.smallest import active_key_master, insert
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.tampered import ENTRIES, Scene, copy_of_an_entry
from tests.audit.totals import assert_exact
from tests.audit.trails import seal_all, write

TAMPERED: dict[str, tuple[str, dict[str, str]]] = {
    "an entry removed": ("DELETE FROM key_audit_logs WHERE sequence = 150", {"KMS513": "sequences 101 to 200"}),
    "all entries removed": ("DELETE FROM key_audit_logs", {"KMS513": "were sealed with 100 entries, and have 0"}),
    "a middle seal removed": (
        "DELETE FROM key_audit_seals WHERE seal_number = 2", {"KMS511": "seal 3 does not follow seal 1"},
    ),
    "the first seal removed": (
        "DELETE FROM key_audit_seals WHERE seal_number = 1", {"KMS511": "seal 2 does not follow seal 0"},
    ),
    "the last seal removed": (
        "DELETE FROM key_audit_seals WHERE seal_number > 3", {"KMS512": "the last leaf makes "},
    ),
    "seals that shrink": (
        "UPDATE key_audit_seals SET tree_size = 50 WHERE seal_number = 2",
        {"KMS511": "seal 2 covers no more leaves", "KMS515": "seal 2"},
    ),
    "seals that go back": (
        "UPDATE key_audit_seals SET last_sequence = 7 WHERE seal_number = 3",
        {"KMS511": "seal 3 ends before the last sequence", "KMS515": "seal 3"},
    ),
    "a seal of another trail": (
        "UPDATE key_audit_seals SET origin = 'x' WHERE seal_number = 2",
        {"KMS511": "seal 2 has another origin", "KMS515": "seal 2"},
    ),
    "a root changed": (
        "UPDATE key_audit_seals SET root_hash = previous_seal_hash WHERE seal_number = 2",
        {"KMS515": "seal 2: its signature is not one of"},
    ),
    "a root changed, and the signatures taken away": (
        "UPDATE key_audit_seals SET signature = NULL, verifier_key = NULL,"
        " root_hash = CASE seal_number WHEN 2 THEN previous_seal_hash ELSE root_hash END",
        {"KMS515": "seal 3: it follows another seal"},
    ),
    "a seal that cannot be read": (
        "UPDATE key_audit_seals SET verifier_key = 'x' WHERE seal_number = 3", {"KMS515": "seal 3 cannot be read"},
    ),
    "a first seal that follows another": (
        "UPDATE key_audit_seals SET previous_seal_hash = root_hash, signature = NULL, verifier_key = NULL"
        " WHERE seal_number = 1",
        {"KMS515": "seal 1 cannot be read: the first seal, and no other, has no seal before it"},
    ),
    "a page removed": (
        "DELETE FROM key_audit_leaves WHERE first_leaf = 100",
        {"KMS512": "leaf 200 does not follow: the next leaf is 100", "KMS514": "(sequence 101)"},
    ),
    "a page added": (
        "INSERT INTO key_audit_leaves SELECT 5000, 5000, hashes FROM key_audit_leaves WHERE first_leaf = 0",
        {"KMS512": "leaf 5000 does not follow", "KMS513": "sequences 5000 to 5099"},
    ),
    "a subtree removed": (
        "DELETE FROM key_audit_subtrees", {"KMS512": "the subtrees of level 8 are 0, and the last seal covers 1"},
    ),
    "a subtree moved": (
        "UPDATE key_audit_subtrees SET position = 1", {"KMS512": "the subtrees of level 8 are 1"},
    ),
}  # fmt: skip
"""Changes with the triggers disabled, and the codes that must be found, each with a part of its message."""


def evidence_found(scene: Scene) -> dict[str, str]:
    return evidence_in(validate(scene.connection, level="data"))


def evidence_in(report: Report) -> dict[str, str]:
    findings = report.findings
    found = {finding.code: finding.actual for finding in findings if "KMS511" <= finding.code <= "KMS515"}
    assert not [each for each in findings if each.code == "KMS901" and "key_audit" in each.object]
    return found


@pytest.fixture(scope="module")
def sound(scene: Scene) -> Scene:
    """The scene, in which nothing is found: asked once, since each test puts back whatever it changes."""
    assert evidence_found(scene) == {}
    return scene


def test_evidence_that_goes_together_is_no_finding_once_a_change_is_undone(sound: Scene) -> None:
    with sound.changed():
        sound.execute("DELETE FROM key_audit_seals WHERE seal_number = 2")
    assert evidence_found(sound) == {}


@pytest.mark.parametrize("change", TAMPERED)
def test_evidence_that_does_not_go_together_is_found(sound: Scene, change: str) -> None:
    statement, codes = TAMPERED[change]
    with sound.changed():
        sound.execute(statement)
        found = evidence_found(sound)
    assert found.keys() == codes.keys()
    for code, says in codes.items():
        assert says in found[code]


def test_the_entries_of_a_finding_are_those_with_the_lowest_sequences(scene: Scene) -> None:
    with scene.changed():
        scene.execute("DELETE FROM key_audit_leaves WHERE first_leaf = 100")
        found = evidence_found(scene)["KMS514"]
    sequences = [int(each) for each in re.findall(r"sequence (\d+)", found)]
    assert len(sequences) == LISTED
    assert sequences == list(range(101, 101 + LISTED))


def test_an_entry_that_was_put_in_is_named(scene: Scene) -> None:
    with scene.changed():
        scene.execute(copy_of_an_entry(scene, 0))
        found = evidence_found(scene)["KMS514"]
    assert "1 row:\nentry " in found
    assert "(sequence 0) is below the last" in found


def test_entries_that_are_not_sealed_yet_are_no_finding(scene: Scene) -> None:
    with scene.changed():
        scene.execute(copy_of_an_entry(scene, 9000))
        assert evidence_found(scene) == {}


def test_the_verdict_refers_to_verify_for_changed_entries(scene: Scene) -> None:
    with scene.changed():
        scene.execute(f"UPDATE key_audit_logs SET risk_score = 99 WHERE sequence = {ENTRIES // 2}")  # noqa: S608
        report = validate(scene.connection, level="data")
        assert evidence_in(report) == {}
        assert f"(sequence {ENTRIES // 2}) is not what was sealed" in scene.found()
        assert "only kms-schema audit verify verifies the content of sealed entries" in report.verdict
        assert "audit verify" not in validate(scene.connection).verdict
        assert "indexes not compared" in validate(scene.connection).verdict
        assert "indexes not compared" not in report.verdict


@pytest.mark.only_on("postgresql")
def test_an_open_gap_is_no_finding_while_a_transaction_can_fill_it(database: Database) -> None:
    with closing(database.connect()) as one, closing(database.connect()) as slow:
        execute(slow, "BEGIN")
        write(slow, 2)
        write(one, 2)
        assert seal_all(one)[-1].open_gaps != ()
        assert codes_of_evidence(database) == set()
        execute(slow, "COMMIT")
        assert codes_of_evidence(database) == set()
        seal_all(one)
        write(one, 1)
        assert seal_all(one)[-1].open_gaps == ()
        with triggers_disabled(one):
            execute(one, "DELETE FROM key_audit_leaves WHERE first_sequence = 2")
        assert codes_of_evidence(database) == {"KMS512", "KMS514"}


def codes_of_evidence(database: Database) -> set[str]:
    with closing(database.connect()) as connection:
        return errors_in(validate(connection, level="data"))


def errors_in(report: Report) -> set[str]:
    return {finding.code for finding in report.findings if finding.severity == "error"}


def test_nothing_is_asked_of_a_revision_without_seals(database_at: Callable[[str], Database]) -> None:
    with closing(database_at("005").connect()) as connection:
        report = validate(connection, level="data")
    assert not report.evidence_checked
    assert errors_in(report) == {"KMS002"}


SUMS_CHANGED = {
    "a total raised": ("UPDATE key_audit_daily_totals SET event_count = 99 WHERE risk_score = 5", "KMS516"),
    "a total removed": ("DELETE FROM key_audit_daily_totals WHERE risk_score = 5", "KMS516"),
    "a total of no entries": (
        "INSERT INTO key_audit_daily_totals VALUES ('2001-01-01', 'SECURITY', 'CRITICAL', -1, 3)", "KMS516",
    ),
    "a sealed entry changed": ("UPDATE key_audit_logs SET risk_score = 99 WHERE sequence = 7", "KMS516"),
    "a cause of no entry": (
        "INSERT INTO key_rotation_causes SELECT id, 1, 'incident', created_at FROM key_masters", "KMS517",
    ),
    "a cause removed": ("DELETE FROM key_rotation_causes", "KMS517"),
    "a cause at another time": ("UPDATE key_rotation_causes SET occurred_at = '2001-01-01T00:00:00.000000Z'", "KMS517"),
}  # fmt: skip


@pytest.fixture
def summed(database: Database) -> Iterator[Connection]:
    """A trail whose entries are sealed but for two, one of them about a key that it makes due."""
    with closing(database.connect()) as connection:
        key = insert(connection, "key_masters", **active_key_master())
        about = {"event_category": "SECURITY", "security_level": "CRITICAL", "key_id": key["id"]}
        write(connection, 10, **about)
        seal_all(connection)
        write(connection, 2, **about)
        yield connection


def sums_found(connection: Connection) -> dict[str, Finding]:
    found = validate(connection, level="data").findings
    return {finding.code: finding for finding in found if finding.code in ("KMS516", "KMS517")}


def test_sums_are_what_the_trail_says(summed: Connection) -> None:
    assert sums_found(summed) == {}
    assert_exact(summed)


@pytest.mark.parametrize("change", SUMS_CHANGED)
def test_wrong_sums_are_found_and_recomputed(summed: Connection, change: str) -> None:
    statement, code = SUMS_CHANGED[change]
    with triggers_disabled(summed):
        execute(summed, statement)
    (finding,) = sums_found(summed).values()
    assert finding.code == code
    assert finding.remediation is not None
    for mending in finding.remediation.removesuffix(";").split("; "):
        execute(summed, mending)
    assert sums_found(summed) == {}
    assert_exact(summed)
