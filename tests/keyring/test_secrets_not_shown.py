"""Material is in no message, repr, log or traceback with its variables, and not in the entries of the audit log."""

import copy
import logging
import pickle
import secrets

import pytest

from kms_schema.crypto import RootKeys, Secret
from kms_schema.keyring import KeyRing, KeyRingError
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.rings import AAD, DATA, ROOT, change, rows
from tests.keyring.shown_secrets import forms, shown


def test_nothing_shows_material(
    ring: KeyRing, kek: str, database: Database, caplog: pytest.LogCaptureFixture, roots: RootKeys
) -> None:
    caplog.set_level(logging.DEBUG)
    material, name = Secret(bytearray(secrets.token_bytes(32))), unique("imported")
    hidden = forms(bytes(material.view))
    ring.create(name, under=kek, material=material)
    key = ring.key(name)
    blob = key.encrypt(DATA, aad=AAD)
    texts = [repr(each) for each in (ring, key, ring._parts.versions.cache.live(name), ring.inspect(blob))]
    errors: list[BaseException] = []

    def collect(use: object) -> None:
        try:
            use()  # type: ignore[operator]
        except (KeyRingError, TypeError) as error:
            errors.append(error)

    collect(lambda: key.decrypt(blob, aad=b"other"))
    collect(lambda: ring.create(name, under=kek, material=material))
    collect(lambda: ring.create(unique("odd"), under="kms://none", material=material))
    other = {"key_size_bits": 128, "key_type": "tls", "algorithm": "x"}
    collect(lambda: ring.create(unique("odd"), under=kek, material=material, **other))
    taken = int.from_bytes(blob[1:5], "big")
    collect(lambda: ring.create(unique("odd"), under=kek, material=material, ciphertext_tag=taken))
    for each in (ring, ring._parts.versions.cache.live(name)):
        collect(lambda each=each: pickle.dumps(each))
        collect(lambda each=each: copy.deepcopy(each))
    change(database, "UPDATE key_masters SET max_usage_count = 1 WHERE key_id = :key", key=name)
    collect(lambda: key.encrypt(DATA, aad=AAD))
    with KeyRing(database.engine(), RootKeys({})) as without:
        collect(lambda: without.key(name).encrypt(DATA, aad=AAD))
    ring.revoke(name, reason="leaked")
    collect(lambda: key.encrypt(DATA, aad=AAD))
    assert len(errors) == 12
    texts += [shown(error) for error in errors]
    texts.append(caplog.text)
    texts.append(str(rows(database, "SELECT event_description, additional_metadata FROM key_audit_logs")))
    for text in texts:
        assert not [form for form in hidden if form in text]
    assert ROOT in repr(roots)
