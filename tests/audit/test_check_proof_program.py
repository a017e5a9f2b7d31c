"""The standalone checker as a program: alone, from any folder, with its options and exit statuses."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from kms_schema.audit.standalone import check_audit
from tests.audit.proofs import KEY, consistency, inclusion, program, sealed

SECONDS = 60


def run(*arguments: str | Path, program: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", program, "proof", *arguments],
        cwd=program.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def in_folder(tmp_path: Path) -> Path:
    """A folder with nothing but a copy of the checker."""
    (tmp_path / "check.py").write_bytes(Path(check_audit.__file__).read_bytes())
    return tmp_path


@pytest.mark.parametrize("words", [("--trust",), ("--checkpoint",), ("proof.json",), ()])
def test_a_private_key_in_place_of_a_file_is_not_repeated(in_folder: Path, words: tuple[str, ...]) -> None:
    (in_folder / "proof.json").write_text(inclusion(4, 7), encoding="utf-8")
    secret = f"PRIVATE+KEY+{KEY.verifier}"
    done = run("--key", str(KEY.verifier), *words, secret, *["proof.json"] * len(words), program=in_folder / "check.py")
    assert done.returncode == 2
    assert str(KEY.verifier) not in done.stderr
    assert "an argument is a private key, and is not repeated here" in done.stderr


def test_the_file_works_alone(in_folder: Path) -> None:
    program = in_folder / "check.py"
    (in_folder / "proof.json").write_text(inclusion(4, 7), encoding="utf-8")
    done = run("proof.json", "--key", str(KEY.verifier), program=program)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "the proof holds"), done.stdout + done.stderr
    (in_folder / "empty.txt").touch()
    done = run("proof.json", "--key", str(KEY.verifier), "--checkpoint", "empty.txt", program=program)
    assert "is empty or no text; fetch it: kms-schema audit checkpoint > checkpoint.txt" in done.stdout
    (in_folder / "proof.json").write_text(inclusion(4, 7).replace("LIFECYCLE", "SECURITY"), encoding="utf-8")
    done = run("proof.json", "--key", str(KEY.verifier), program=program)
    assert (done.returncode, done.stdout.partition(":")[0]) == (1, "REFUSED")


def test_the_file_imports_the_standard_library_and_cryptography_alone() -> None:
    tree = ast.parse(Path(check_audit.__file__).read_text(encoding="utf-8"))
    names = {alias.name for each in ast.walk(tree) if isinstance(each, ast.Import) for alias in each.names}
    names |= {str(each.module) for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} - sys.stdlib_module_names == {"cryptography"}


def test_the_help_fits_into_80_columns(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("--help", program=in_folder / "check.py").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-2].startswith("exit status: 0 what is checked holds")


def test_help_works_where_cryptography_is_missing(in_folder: Path) -> None:
    """A file of that name stands for a package that cannot be imported."""
    (in_folder / "cryptography.py").write_text("raise ImportError", encoding="utf-8")
    (in_folder / "proof.json").write_text(inclusion(4, 7), encoding="utf-8")
    for arguments, status, says in (
        (["--help"], 0, "usage:"),
        (["proof.json", "--key", str(KEY.verifier)], 2, "pip install cryptography"),
    ):
        done = subprocess.run(
            [sys.executable, "check.py", "proof", *arguments],
            cwd=in_folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status
        assert says in done.stdout + done.stderr


@pytest.mark.parametrize("output", [">/dev/full", "| true"])
def test_an_output_that_is_gone_refuses_no_proof(in_folder: Path, output: str) -> None:
    (in_folder / "proof.json").write_text(inclusion(4, 7), encoding="utf-8")
    command = f'"$@" {output}; exit "${{PIPESTATUS[0]}}"'
    words = [sys.executable, "-I", "check.py", "proof", "proof.json", "--key", str(KEY.verifier)]
    done = subprocess.run(
        ["bash", "-c", command, "bash", *words], cwd=in_folder, capture_output=True, text=True, check=False
    )
    full = output == ">/dev/full"
    assert done.returncode == 2 if full else done.returncode in {0, 2}  # the pipe takes what is short
    errors = ["[Errno 28] No space left on device"] if full else ["[Errno 32] Broken pipe"]
    assert done.stderr in [f"cannot write the output: {each}\n" for each in errors] + [""] * (not full)


@pytest.mark.parametrize("name", ["proof", "archives"])
def test_ctrl_c_ends_each_check_with_a_sentence(name: str) -> None:
    """The signal comes when the program opens its file."""
    interrupted = "check_audit.open_file = lambda *_: os.kill(os.getpid(), signal.SIGINT)"
    program = f"import os, signal, sys, check_audit; {interrupted}; sys.exit(check_audit.run(check_audit.main))"
    done = subprocess.run(
        [sys.executable, "-c", program, name, "file", "--key", str(KEY.verifier)],
        cwd=Path(check_audit.__file__).parent, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted: nothing was checked\n")


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--trust", "trusted"], 0, "the proof holds"),
        (["--trust", "trusted", "--origin", "kms.example/audit"], 0, "the proof holds"),
        (["--trust", "trusted", "--origin", "kms.example"], 1, "another trail"),
        (["--trust", "trusted", "--checkpoint", "kept"], 0, "the proof holds"),
        (["--trust", "trusted", "--checkpoint", "other"], 1, "not about the checkpoint that you kept"),
        (["--trust", "trusted", "--checkpoint", "forged"], 1, "not one of this checkpoint"),
        ([], 2, "name the keys"),
        (["--key", str(KEY.verifier)[:-1]], 2, "verifier key"),
        (["--key", KEY.private_text()], 2, "verifier key"),
        (["--trust", "nowhere"], 2, "nowhere"),
    ],
    ids=range(10),
)
def test_options(
    *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], status: int, says: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    kept = str(sealed(7))
    files = {
        "proof.json": consistency(7, 11),
        "trusted": f"# ours\n\n {KEY.verifier}\n",
        "kept": kept,
        "other": str(sealed(6)),
        "forged": kept.replace("\n7\n", "\n8\n"),
    }
    for name, content in files.items():
        Path(name).write_text(content, encoding="utf-8")
    found, shown = program(capsys, "proof", "proof.json", *arguments)
    assert (found, says in shown, KEY.private_text().split("+")[-1] in shown) == (status, True, False), shown
