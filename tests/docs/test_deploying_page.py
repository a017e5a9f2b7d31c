"""docs/deploying.md: its commands name what there is; `tests/deploying` installs by them."""

import re

from support.engines.programs import REPOSITORY
from support.pages import Page
from tests.deploying.kubernetes import PODS
from tests.deploying.systemd import PAGE
from tests.docs.readers import section


def test_each_file_that_it_names_is_there() -> None:
    links = set(re.findall(r"\]\(\.\./(examples[^)]*)\)", PAGE))
    words = set(re.findall(r"(?<![./(\w])examples/[\w./-]+", PAGE))
    assert len(links) >= 9
    assert [path for path in links | words if not (REPOSITORY / path).exists()] == []


def test_each_example_is_on_the_page() -> None:
    files = {file.relative_to(REPOSITORY) for file in (REPOSITORY / "examples").rglob("*") if file.is_file()}
    folders = {file.parts[1] for file in files}
    assert [name for name in folders if f"`{name}/" not in PAGE] == []


def test_the_secrets_of_kubernetes_are_those_that_pods_mount() -> None:
    [block] = section("deploying.md", "Kubernetes")
    [logins] = re.findall(r"for login in (.*); do", block.text)
    made = {f"kms-login-{login.replace('_', '-')}" for login in logins.split()} | {"kms-root", "kms-seal"}
    mounted = {
        volume["secret"]["secretName"] for pod in PODS.values() for volume in pod.spec["volumes"] if "secret" in volume
    }
    assert made == mounted


def test_the_logins_are_those_of_the_bootstrap() -> None:
    bootstrap = (REPOSITORY / "examples" / "postgresql" / "bootstrap.sql").read_text(encoding="utf-8")
    made = dict(
        re.findall(r"^CREATE ROLE (\w+) LOGIN PASSWORD :'password'(?: IN ROLE (.*))?;$", bootstrap, re.MULTILINE)
    )
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in Page("deploying.md").lines("Prepare the server")
    ]
    assert {login.strip("`"): roles.replace("`", "") for login, roles, _ in lines} == made
    [script] = re.findall(
        r"for login in (.*); do", (REPOSITORY / "examples/postgresql/make-secrets").read_text("utf-8")
    )
    assert set(script.split()) == made.keys()
