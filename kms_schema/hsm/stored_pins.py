"""PINs in the stored credentials of HSMs, for health checks and rotation. kms_app may not read them."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only

from kms_schema.crypto import KeyWrapping, RootKeys, Secret
from kms_schema.database.messages import NOT_PERMITTED, sqlstate_of
from kms_schema.hsm.errors import HsmError
from kms_schema.hsm.hsms import Hsms
from kms_schema.models import HsmConfiguration

MEMBER = "pin"
"""The member of the credentials that is the PIN."""


def learn_stored_pin(session: Session, hsms: Hsms, name: str, roots: Sequence[RootKeys]) -> None:
    """Give an HSM the PIN of its stored credentials, if its URI names no source of one.

    - `session`: reads the database; its login needs kms_rotator or kms_admin
    - `hsms`: of the process. `name`: of the HSM. `roots`: one of them wraps the credentials

    Nothing is done where no credentials are stored: a token may need no PIN. Raises `HsmError` (`no_stored_pin`), and
    what `KeyWrapping.decrypt_credentials` raises.
    """
    if not hsms.lacks_pin(name):
        return
    columns = load_only(
        HsmConfiguration.id, HsmConfiguration.configuration_name, HsmConfiguration.authentication_config,
        HsmConfiguration.wrapping_key_ref,
    )  # fmt: skip
    query = sa.select(HsmConfiguration).where(HsmConfiguration.configuration_name == name).options(columns)
    try:
        configuration = session.scalars(query).one_or_none()
    except sa.exc.DBAPIError as error:
        if sqlstate_of(error) != NOT_PERMITTED:
            raise
        raise HsmError(
            f"the URI of HSM {name!r} names no source of its PIN, and this login may not read the stored one: add"
            " pin-source=file:PATH or pin-source=env:NAME to the URI",
            reason="no_stored_pin",
        ) from None
    if configuration is None or configuration.authentication_config is None:
        return
    pin = KeyWrapping(*roots).decrypt_credentials(configuration).get(MEMBER)
    if not isinstance(pin, str) or not pin:
        raise HsmError(f"the stored credentials of HSM {name!r} have no member {MEMBER!r}", reason="no_stored_pin")
    hsms.learn_pin(name, Secret(bytearray(pin.encode())))
