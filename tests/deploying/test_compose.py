"""examples/compose and examples/github by the schemas of the Compose specification and of workflows."""

import re
from pathlib import Path

from click.testing import CliRunner

from tests.deploying.compose import COMPOSE, FILE, OURS, SERVICES
from tests.deploying.containers import EXAMPLES, stages


def checked(schema: str, file: Path) -> str:
    """Check a file by a schema that check-jsonschema has, and return what it says."""
    import check_jsonschema  # noqa: PLC0415  (it takes more than a second, in each process)

    return CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", schema, str(file)]).output


def test_the_file_is_as_its_schema_says(tmp_path: Path) -> None:
    assert checked("vendor.compose-spec", FILE) == "ok -- validation done\n"
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text(encoding="utf-8").replace("read_only:", "readonly:"), encoding="utf-8")
    assert "'readonly' was unexpected" in checked("vendor.compose-spec", wrong)


def test_the_workflow_is_as_its_schema_says() -> None:
    assert checked("vendor.github-workflows", EXAMPLES / "github" / "database.yml") == "ok -- validation done\n"


def test_each_file_that_it_names_is_there() -> None:
    folder = FILE.parent
    for service in OURS.values():
        dockerfile = folder / service["build"]["context"] / service["build"]["dockerfile"]
        assert dockerfile.resolve() == EXAMPLES / "container" / "Dockerfile"
        assert service["build"]["target"] in stages()
        assert service["image"].rpartition("/")[2].partition(":")[0] == service["build"]["target"]
    mounted = [volume.partition(":")[0] for volume in SERVICES["postgres"]["volumes"]]
    files = [name for name in mounted if name.endswith((".sh", ".sql"))]
    assert len(files) == 2
    assert all((folder / name).is_file() for name in files)


def test_each_service_of_ours_has_the_least() -> None:
    for name, service in OURS.items():
        assert (service["cap_drop"], service["read_only"]) == (["ALL"], True), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "environment" not in service, name
    assert {name for name, service in OURS.items() if "root.key" in str(service["secrets"])} == {
        "invoices", "rotations", "keeper"
    }  # fmt: skip
    assert "./secrets:" not in str(SERVICES["postgres"]["volumes"]), "the server would have the root key"


def test_the_application_starts_after_both_upgrades() -> None:
    after = {name: each["condition"] for name, each in SERVICES["invoices"]["depends_on"].items()}
    assert after == dict.fromkeys(("upgrade", "invoices-upgrade"), "service_completed_successfully")


def test_no_example_has_a_password() -> None:
    for file in EXAMPLES.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            text = file.read_text(encoding="utf-8")
            text = text.replace(":'password'", "").replace("password=$(openssl", "").replace("password=$password", "")
            assert not re.search(r"(?i)password[\"']?\s*[:= ]\s*[\"']?[$a-z0-9]{3}", text), file
            assert not re.search(r"://[^/\s:]+:[^@\s/]+@", text), file
    assert set(COMPOSE["secrets"]["postgres"]) == {"file"}
