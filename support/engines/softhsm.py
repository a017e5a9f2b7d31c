"""Tokens of SoftHSM2, an HSM in software with its tokens in a folder: from the machine, or from Debian's package."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from support.engines.debian import library_path, unpacked

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")
PIN = "not-to-be-shown-7391"
SO_PIN = "not-to-be-shown-so-7391"


def find_softhsm() -> tuple[Path, Path, dict[str, str]]:
    """Return the module, the program `softhsm2-util` and the variables that it needs.

    Raises `EngineUnavailableError` where they cannot be had.
    """
    installed = shutil.which("softhsm2-util")
    module = next((Path(each) for each in MODULES if Path(each).exists()), None)
    if installed and module:
        return module, Path(installed), {}
    folder = unpacked("softhsm2")
    libraries = {"LD_LIBRARY_PATH": library_path(folder)}
    return folder / "usr/lib/softhsm/libsofthsm2.so", folder / "usr/bin/softhsm2-util", libraries


@dataclass(frozen=True)
class SoftHsm:
    """A folder of tokens. `SOFTHSM2_CONF` names it, also to child processes."""

    folder: Path
    module: Path

    @property
    def tokens(self) -> Path:
        """The folder of the tokens: move it, and they are gone."""
        return self.folder / "tokens"

    @property
    def pin_file(self) -> Path:
        """A file with the PIN of every token."""
        return self.folder / "pin"

    def make_token(self, label: str, pin: str = PIN) -> str:
        """Make a token and return its serial number. This process finds it at once."""
        _, program, variables = find_softhsm()
        before = {each.name for each in self.tokens.iterdir()}
        subprocess.run(
            [
                *(program, "--module", self.module, "--init-token", "--free", "--label", label),
                *("--pin", pin, "--so-pin", SO_PIN),
            ],
            env={**os.environ, **variables},
            check=True,
            capture_output=True,
        )
        (made,) = {each.name for each in self.tokens.iterdir()} - before
        self.restart()
        return "".join(made.split("-")[-2:])

    def uri(self, token: str, key: str | None = None, pin_source: str | None = None, **attributes: str) -> str:
        """Return the URI of a token, or of a key in it; its PIN is in `pin_file`."""
        path = {"token": token, **({"object": key} if key else {}), **attributes}
        query = f"module-path={self.module}&pin-source={pin_source or f'file:{self.pin_file}'}"
        return "pkcs11:" + ";".join(f"{name}={value}" for name, value in path.items()) + "?" + query

    def restart(self) -> None:
        """Have this process look for tokens again: it reads `SOFTHSM2_CONF` when it initializes the module."""
        import_module("kms_schema.pkcs11.module").module_at(str(self.module)).restart()


@contextmanager
def softhsm(folder: Path) -> Iterator[SoftHsm]:
    """Give an empty folder of tokens to this process and its children, and take it back at the end."""
    made = SoftHsm(folder, find_softhsm()[0])
    made.tokens.mkdir(parents=True)
    made.pin_file.touch(0o600)
    made.pin_file.write_text(PIN + "\n", encoding="utf-8")
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {made.tokens}\nlog.level = ERROR\n", encoding="utf-8")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    try:
        made.restart()
        yield made
    finally:
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before
