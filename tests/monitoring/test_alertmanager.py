"""The example for Alertmanager."""

from pathlib import Path

import pytest

from support.engines.keeper import free_port
from support.engines.prometheus import Server, find_alertmanager, tool
from support.programs.commands import kms_schema
from tests.monitoring.notices import RETENTION, parsed

FORGETS = "repeat_interval is greater than the data retention period"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The file that the command prints."""
    said = kms_schema("metrics", "alertmanager")
    assert (said.status, said.err) == (0, "")
    file = tmp_path / "alertmanager.yml"
    file.write_text(said.out, encoding="utf-8")
    return file


def test_amtool_accepts_the_example(example: Path) -> None:
    ran = tool("amtool", "check-config", example)
    assert (ran.returncode, "SUCCESS" in ran.stdout) == (0, True), ran.stdout + ran.stderr


def test_each_notice_of_an_expiration_is_sent_once_and_other_critical_alerts_daily(example: Path) -> None:
    content = parsed(example.read_text(encoding="utf-8"))
    assert content["route"]["repeat_interval"] == "32d"
    assert content["route"]["group_by"] == ["alertname", "job", "key_id", "key_type", "hsm"]
    assert [each["repeat_interval"] for each in content["route"]["routes"]] == ["1d"]
    assert "inhibit_rules" not in content, "the end of an inhibited alert is not recorded"
    for labels, routed in (
        (("alertname=KmsKeyExpiresIn1Day", "severity=critical"), 0),
        (("alertname=KmsHsmOffline", "severity=critical"), 1),
        (("alertname=KmsHsmDegraded", "severity=warning"), 0),
    ):
        ran = tool("amtool", "config", "routes", "test", f"--config.file={example}", "--tree", *labels)
        assert ran.stdout.count("severity=") == routed, ran.stdout
    assert all(not config["send_resolved"] for config in content["receivers"][0]["webhook_configs"])


@pytest.mark.parametrize(("retention", "warns"), [(RETENTION, False), ("120h", True)])
def test_alertmanager_warns_when_it_forgets_too_soon(example: Path, retention: str, warns: bool) -> None:
    server = Server(
        example.parent / "log", find_alertmanager(example.parent), f"--config.file={example}",
        f"--web.listen-address=127.0.0.1:{free_port()}", "--storage.path=data", "--cluster.listen-address=",
        f"--data.retention={retention}",
    )  # fmt: skip
    log = server.start_until("Listening on")
    assert ("Listening on" in log, FORGETS in log) == (True, warns), log
