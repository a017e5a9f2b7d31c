"""The page on monitoring: a unit that systemd accepts, and a configuration that Prometheus accepts."""

import re
import textwrap
from pathlib import Path

from kms_schema.monitoring.names import MOST_SERIES
from support.engines.programs import REPOSITORY
from support.engines.prometheus import tool
from tests.deploying.systemd import analyze
from tests.docs.readers import BLOCK

PAGE = (REPOSITORY / "docs" / "monitoring.md").read_text(encoding="utf-8")
UNITS = REPOSITORY / "examples" / "systemd"


def test_the_unit_is_that_of_the_examples_for_one_service() -> None:
    unit = next(match["text"] for match in BLOCK.finditer(PAGE) if "kms-metrics.service" in match["text"])
    example = (UNITS / "kms-metrics.service").read_text(encoding="utf-8")
    common = (UNITS / "kms-.service.d" / "common.conf").read_text(encoding="utf-8")
    assert set(example.split("\n")) <= set(unit.split("\n"))
    assert "LoadCredential=pg_service.conf:/etc/kms/kms-metrics.conf\n" in unit
    for setting in ("Wants=.*", "After=.*", "LoadCredential=pg_service.conf:/etc/kms/"):
        (found,) = re.findall(rf"^{setting}", common, re.MULTILINE)
        assert found in unit, found


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = next(match["text"] for match in BLOCK.finditer(PAGE) if "kms-metrics.service" in match["text"])
    (tmp_path / "kms-metrics.service").write_text(unit.replace("/opt/kms/bin/kms-schema", "/bin/true"))
    ran = analyze("verify", "kms-metrics.service", units=tmp_path)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


def test_the_pages_have_the_number_of_series_of_a_part() -> None:
    alerts = (REPOSITORY / "docs" / "alerts.md").read_text(encoding="utf-8")
    assert f"Each part lists at most {MOST_SERIES} keys." in PAGE
    assert f"a part lists at most {MOST_SERIES}]" in alerts


def test_prometheus_accepts_the_configuration(tmp_path: Path) -> None:
    (block,) = re.findall(r"^   ```yaml\n(.*?)^   ```$", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "prometheus.yml").write_text(textwrap.dedent(block))
    (tmp_path / "kms.rules.yml").write_text("groups: []\n")
    ran = tool("promtool", "check", "config", tmp_path / "prometheus.yml")
    assert (ran.returncode, "1 rule files found" in ran.stdout) == (0, True), ran.stdout + ran.stderr
