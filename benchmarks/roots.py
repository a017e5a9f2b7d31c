"""P19: derivations a second of a root in memory and of one in SoftHSM2, and how many of them a ring needs."""

import secrets
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.places import Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import in_turn
from kms_schema.crypto import EnvelopeFormat, Root, RootKeys, Secret, SecretRoot
from kms_schema.crypto.ciphers import derivation_message
from kms_schema.keyring import KeyRing
from kms_schema.roots import create_root
from support.engines.softhsm import softhsm

ROOT = "kms://root"
DERIVATIONS, KEYS, MESSAGES = 1000, 10, 500
MESSAGE = derivation_message(EnvelopeFormat.AES_256_GCM, bytes(200))


class Counting:
    """A root that counts the derivations of another."""

    def __init__(self, root: Root) -> None:
        """Count from 0."""
        self._root, self.calls = root, 0
        self.type, self.key, self.health, self.close = root.type, root.key, root.health, root.close

    def derive(self, message: bytes) -> Secret:
        """Return what the other returns."""
        self.calls += 1
        return self._root.derive(message)


def measure(places: Places) -> list[Measured]:
    """Derive in turn with both roots; then encrypt with a few keys under the token."""
    with (
        tempfile.TemporaryDirectory(prefix="kms-benchmark-") as folder,
        softhsm(Path(folder) / "softhsm") as hsm,
        places.empty() as database,
    ):
        hsm.make_token("bench")
        memory, token = SecretRoot(Secret(bytearray(secrets.token_bytes(32)))), create_root(hsm.uri("bench", "root"))
        runs = {"memory": partial(_derive, memory), "SoftHSM2": partial(_derive, token)}
        times = in_turn(runs, places.options.repetitions)
        counted, engine = Counting(token), database.engine()
        with RootKeys({ROOT: counted}) as roots, KeyRing(engine, roots) as ring:
            names = [ring.create(f"bench-{number}", under=ROOT).key_id for number in range(KEYS)]
            counted.calls = 0
            for name in names:
                for _ in range(MESSAGES):
                    ring.key(name).encrypt(b"message", aad=b"place")
        engine.dispose()
    return [
        Measured(f"derivations of {KEYS * MESSAGES} encryptions with {KEYS} keys", counted.calls, Limit(KEYS)),
        *(
            Measured(
                f"to compare: derivations a second, {name}", 1000 * DERIVATIONS / taken.median, None, {name: taken}
            )
            for name, taken in times.items()
        ),
    ]


def _derive(root: Root) -> None:
    for _ in range(DERIVATIONS):
        root.derive(MESSAGE).wipe()
