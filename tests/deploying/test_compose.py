"""examples/compose: the file by the schema of the Compose specification, and each command of it against a server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploying.compose import COMPOSE, FILE, SERVICES, container
from tests.deploying.containers import EXAMPLES, stages
from tests.deploying.installed import Installed

OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def checked(schema: str, file: Path) -> subprocess.CompletedProcess[str]:
    """Check a file by a schema that check-jsonschema has."""
    program = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run([program, "--builtin-schema", schema, file], capture_output=True, text=True, check=False)


def test_the_file_is_as_its_schema_says(tmp_path: Path) -> None:
    done = checked("vendor.compose-spec", FILE)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text(encoding="utf-8").replace("read_only:", "readonly:"), encoding="utf-8")
    assert "'readonly' was unexpected" in checked("vendor.compose-spec", wrong).stdout


def test_the_workflow_is_as_its_schema_says() -> None:
    done = checked("vendor.github-workflows", EXAMPLES / "github" / "database.yml")
    assert done.returncode == 0, done.stdout + done.stderr


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


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("name", [name for name in OURS if name != "invoices"])
def test_each_command_runs(installed: Installed, tmp_path: Path, name: str) -> None:
    """But for the application, which the tests of the web application serve."""
    made = container(name, installed.secrets)
    more = {"rotations": ["--once"], "keeper": ["keys", "list"]}.get(name, [])
    if name == "upgrade":
        assert made.command[:2] == ["sh", "-euc"]
    made.with_more(more).succeeds(tmp_path / "container")
