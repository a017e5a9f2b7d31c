"""`scripts/benchmark.py`: what it prints and how it measures; how long anything takes is not asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import command
from benchmarks.targets import TARGETS, Limit, Measured, Options, Target
from benchmarks.timing import Times, alternately
from tests.engines.programs import REPOSITORY


def test_it_measures_the_validator_and_writes_every_time(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    script = [sys.executable, str(REPOSITORY / "scripts" / "benchmark.py")]
    words = ["--only", "P7", "--engine", "sqlite", "--repetitions", "1", "--foreign-tables", "20", "--json", str(file)]
    done = subprocess.run([*script, *words], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode in {0, 1}, done.stderr
    assert done.stdout.splitlines()[-1].startswith(
        "| P7 | validator, whole process ÷ `alembic check` | sqlite | ≤ 0.5 |"
    )
    (result,) = json.loads(file.read_text(encoding="utf-8"))
    (ours,), (theirs,) = result["milliseconds"].values()
    assert list(result["milliseconds"]) == ["kms-schema validate", "alembic check"]
    assert result["measured"] == pytest.approx(ours / theirs)
    assert (result["limit"], result["met"]) == ("≤ 0.5", result["measured"] <= 0.5)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("value", "limit", "status", "said"),
    [
        (0.5, Limit(0.5), 0, "≤ 0.5 | 0.50"),
        (0.51, Limit(0.5), 1, "≤ 0.5 | 0.51"),
        (0.7, Limit(0.7, at_least=True), 0, "≥ 0.7 | 0.70"),
        (0.69, Limit(0.7, at_least=True), 1, "≥ 0.7 | 0.69"),
        (64.5, Limit(64, unit=" MB"), 1, "≤ 64 MB | 64.50 MB"),
        (512.3, Limit(400, at_least=True), 0, "≥ 400 | 512"),
    ],
)
def test_a_target_that_is_missed_is_its_exit_status(
    monkeypatch: pytest.MonkeyPatch, value: float, limit: Limit, status: int, said: str
) -> None:
    def measure(_target: Target, _options: Options) -> list[Measured]:
        return [Measured("it", "sqlite", value, limit, {"one": Times((2.0, 1.0, 9.0))})]

    monkeypatch.setattr(Target, "measure", measure)
    result = CliRunner().invoke(command.main, [])
    assert result.exit_code == status
    assert result.output.splitlines()[-1].endswith(f"| it | sqlite | {said} | one 2 (1) |")


def test_each_command_runs_in_turn_and_the_first_time_does_not_count(tmp_path: Path) -> None:
    order = tmp_path / "order"
    commands = {name: ["sh", "-c", f"printf {name} >> {order}"] for name in "ab"}
    times = alternately(commands, 2, {"PATH": "/bin:/usr/bin"})
    assert order.read_text() == "ababab"
    assert [len(each.milliseconds) for each in times.values()] == [2, 2]
    with pytest.raises(subprocess.CalledProcessError):
        alternately({"fails": ["false"]}, 1, {"PATH": "/bin:/usr/bin"})


def test_every_target_has_its_measurement() -> None:
    for target in TARGETS:
        assert (REPOSITORY / f"{target.module.replace('.', '/')}.py").is_file()
