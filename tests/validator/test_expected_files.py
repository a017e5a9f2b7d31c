"""The files of what a revision makes are folded into what a server was seen to hold."""

import json
import shutil
from pathlib import Path

import pytest

from kms_schema import snapshots
from kms_schema.snapshots import decoded, encoded, folded, overlay
from support.engines.programs import REPOSITORY
from tests.validator.example_objects import changed, differences, schema
from tools.snapshot_files import snapshot_files


def test_overrides_hold_what_an_older_server_renders_differently() -> None:
    newest = schema()
    oldest = changed("view due", definition="SELECT other", needs=[])
    del oldest["column keys.status"]
    files = snapshot_files({"005": {13: oldest, 14: oldest, 18: newest}}, {})
    assert sorted(files) == ["005.13-14.json", "005.json"]
    seen = schema()
    overlay(seen, {"view due": {"definition": "SELECT other"}, "column keys.status": None})
    assert differences(seen) == differences(oldest)


def test_files_hold_what_changes_and_are_folded_into_what_was_seen() -> None:
    """An older server renders an object differently, then another way, then as the newest; one comes and goes."""
    first, second, third = {"view due": {"definition": "1", "table": "keys"}}, schema(), {"view new": {}}
    older = [
        {"view due": {"definition": "other", "table": "keys"}},
        changed("view due", definition="another", needs=[]),
        {"view new": {}},
    ]
    seen = {"004": {13: older[0], 18: first}, "005": {13: older[1], 18: second}, "006": {13: older[2], 18: third}}
    files = snapshot_files(seen, {})
    assert sorted(files) == ["004.13-13.json", "004.json", "005.13-13.json", "005.json", "006.13-13.json", "006.json"]
    assert "keys.status" not in files["006.13-13.json"]
    for number, revision in enumerate(seen, start=1):
        for major in (13, 18):
            read = {name: decoded(json.loads(text)) for name, text in files.items()}
            objects = folded(list(seen)[:number], files, major, read.__getitem__)
            assert objects.keys() == seen[revision][major].keys()
            for key, facts in seen[revision][major].items():
                assert {**objects[key], "needs": 0} == {**facts, "needs": 0}, key


def test_an_unchanged_object_is_in_no_further_file() -> None:
    files = snapshot_files({"004": {18: schema()}, "005": {18: changed("view due", definition="SELECT 2")}}, {})
    assert json.loads(files["005.json"]) == {"view due": {"definition": "SELECT 2"}}


def test_a_function_whose_file_is_not_what_a_server_was_seen_to_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = REPOSITORY / "kms_schema" / "sql" / "postgresql" / "key_versions" / "prevent_key_version_delete_v01.sql"
    folder = tmp_path / "postgresql" / packaged.parent.name
    shutil.copytree(packaged.parents[1], folder.parent)
    monkeypatch.setattr(snapshots, "_SQL", tmp_path)
    head = ("postgresql", snapshots.chain()[-1], "18.0")
    assert snapshots.load.__wrapped__(*head) == snapshots.load(*head)
    (folder / packaged.name).write_text(packaged.read_text().replace("RAISE EXCEPTION", "RAISE NOTICE"))
    with pytest.raises(ValueError, match=r"prevent_key_version_delete_v01\.sql of postgresql is not what"):
        snapshots.load.__wrapped__(*head)


def test_long_text_is_kept_by_the_line() -> None:
    facts = {"body": "BEGIN\n  x\nEND", "name": "x"}
    assert encoded(facts)["body"] == {"text": ["BEGIN", "  x", "END"]}
    assert decoded(encoded(facts)) == facts
