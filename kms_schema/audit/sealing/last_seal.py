"""The seal that the next one continues: it must hold, or a signature would cover what somebody else put there."""

from kms_schema.audit.formats.encoding import EncodingError
from kms_schema.audit.formats.keys import VerifierKey
from kms_schema.audit.formats.merkle import CompactRange
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.seals import Seals
from kms_schema.audit.storage.stored_seals import StoredSeal


def last_sound_seal(seals: Seals, signer: VerifierKey | None) -> StoredSeal | None:
    """Return the newest seal, or None if nothing is sealed.

    signer: the key that will sign the next seal; None if it will not be signed.

    Raises `TrailError` unless it holds. Then its row is a seal, its signature and compact range are those of its
    content, and it follows the seal before. The newest tombstone is under a seal whose signature covers it. If `signer`
    did not sign it, each earlier change of the key must also be one that the key before announced and signed. Example::

        with open_trail(connection).sealing() as transaction:
            before = last_sound_seal(transaction.seals, key.verifier)
    """
    number = 0
    try:
        if (last := seals.last()) is None:
            return None
        number = last.number
        last.check_signature()
        if CompactRange(last.tree_size, last.subtree_hashes).root() != last.root_hash:
            raise EncodingError("its compact range is not that of its tree", reason="seal")
        if (before := seals.get(number - 1)) is not None:
            _refuse_another(before, last)
        if signer is not None and last.verifier_key != str(signer):
            # Two seals that were put in can lead back to the signer: the first breaks the chain, the second hides it.
            for number in seals.changes_of_key():
                _refuse_unannounced(seals.get(number - 1), seals.get(number))
        if (cut := seals.last_with_tombstone()) is not None:
            number = cut.number
            cut.check_signature()
    except ValueError as error:
        reason = str(error) if str(error).startswith("seal ") else f"seal {number} does not hold: {error}"
        raise TrailError(
            f"{reason}; nothing is sealed after it. The seal or its tombstone was changed or put in. The page"
            ' "audit" of the documentation has the way back: When sealing is refused'
        ) from None
    return last


def _refuse_unannounced(before: StoredSeal | None, seal: StoredSeal | None) -> None:
    if seal is not None:
        seal.check_signature()
        if before is not None:
            _refuse_another(before, seal)


def _refuse_another(before: StoredSeal, last: StoredSeal) -> None:
    if last.previous_seal_hash != before.seal().hash():
        raise EncodingError("it follows another seal than the one that is before it here", reason="seal")
    if before.leads_to not in {None, last.verifier_key}:
        signed = "it is not signed" if last.verifier_key is None else f"it is signed by {last.verifier_key}"
        raise EncodingError(f"{signed}, but the seal before leads to {before.leads_to}", reason="seal")
