"""The configurations of HSMs in the database: their names, whether they may be used, and their health.

No function reads an address from a row to load or open it: where an HSM is, a process is told by its own options.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.database.messages import driver_message
from kms_schema.hsm.errors import HsmError
from kms_schema.models import HsmConfiguration, current_time
from kms_schema.text.storable import check_texts, fault_of
from kms_schema.vocabulary import HsmHealth, HsmProvider

_LONGEST = 100
"""The length of `configuration_name`."""


@dataclass(frozen=True)
class ListedHsm:
    """An HSM as the database has it, without its address and credentials."""

    name: str
    provider: HsmProvider
    is_active: bool
    health_status: HsmHealth | None
    """The result of the last health check; None before the first."""
    last_health_check: dt.datetime | None
    response_time_ms: int | None
    """Milliseconds of an encryption and a decryption at the last check; None if it did not answer."""
    require_dual_auth: bool
    audit_all_operations: bool
    has_credentials: bool


_LISTED = (
    HsmConfiguration.configuration_name.label("name"), HsmConfiguration.provider, HsmConfiguration.is_active,
    HsmConfiguration.health_status, HsmConfiguration.last_health_check, HsmConfiguration.response_time_ms,
    HsmConfiguration.require_dual_auth, HsmConfiguration.audit_all_operations,
    HsmConfiguration.wrapping_key_ref.is_not(None).label("has_credentials"),
)  # fmt: skip


def add_hsm(  # noqa: PLR0913  (each is a column)
    session: Session,
    name: str,
    *,
    provider: HsmProvider = HsmProvider.PKCS11,
    endpoint_url: str | None = None,
    audit_all_operations: bool = True,
    created_by: str | None = None,
) -> HsmConfiguration:
    """Add the configuration of an HSM, and return it for `KeyWrapping.encrypt_credentials`. The caller commits.

    - `session`: in a transaction; its login needs kms_admin
    - `name`: 1 to 100 printable characters, without `/`. `provider`: of the PKCS#11 module
    - `endpoint_url`: where it is, for people: no program opens it. `created_by`: who adds it
    - `audit_all_operations`: True for an entry in the audit log for each use of its keys

    Raises `HsmError`: `hsm_exists`, `values_refused` if the database refuses them; and `ValueError` for a text that no
    database stores. Example::

        add_hsm(session, "luna-1", provider=HsmProvider.THALES_LUNA)
    """
    if not name.strip() or len(name) > _LONGEST or not name.isprintable() or "/" in name:
        raise HsmError(
            f"the name of an HSM has 1 to {_LONGEST} printable characters, without /", reason="values_refused"
        )
    check_texts(endpoint_url=endpoint_url, created_by=created_by)
    known = sa.select(HsmConfiguration.configuration_name).where(HsmConfiguration.configuration_name == name)
    if session.scalar(known) is not None:
        raise HsmError(f"there is an HSM named {name!r}", reason="hsm_exists")
    configuration = HsmConfiguration(
        configuration_name=name, provider=provider, endpoint_url=endpoint_url,
        audit_all_operations=audit_all_operations, created_by=created_by,
        supported_algorithms=["AES-256-GCM"], max_key_size_bits=256,
    )  # fmt: skip
    session.add(configuration)
    try:
        session.flush()
    except (sa.exc.IntegrityError, sa.exc.DataError) as error:
        reason = driver_message(error)
        raise HsmError(f"the database refuses the HSM: {reason}", reason="values_refused") from None
    return configuration


def listed_hsms(session: Session) -> Sequence[ListedHsm]:
    """Return the HSMs by their names. kms_rotator, kms_admin and kms_auditor may read them. Raises nothing of its own.

    Example::

        [each.name for each in listed_hsms(session) if each.health_status != HsmHealth.HEALTHY]
    """
    rows = session.execute(sa.select(*_LISTED).order_by(HsmConfiguration.configuration_name))
    return [ListedHsm(*row) for row in rows]


def find_hsm(session: Session, name: str) -> ListedHsm:
    """Return the HSM with this name. Raises `HsmError` (`unknown_hsm`)."""
    row = session.execute(sa.select(*_LISTED).where(_is_named(name))).one_or_none()
    if row is None:
        raise _unknown(name)
    return ListedHsm(*row)


def set_active(session: Session, name: str, is_active: bool) -> None:
    """Have the keys of an HSM be used or refused; rings notice within their `max_age`. The caller commits.

    - `session`: in a transaction; its login needs kms_admin. `name`: of the HSM. `is_active`: False disables it

    Raises `HsmError` (`unknown_hsm`). Example::

        set_active(session, "luna-1", False)
    """
    statement = sa.update(HsmConfiguration).where(_is_named(name))
    if not _changed(session, statement.values(is_active=is_active)):
        raise _unknown(name)


def record_health(session: Session, name: str, health: HsmHealth, response_time_ms: int | None) -> None:
    """Write the result of a health check; the database adds `HSM_HEALTH_CHANGED` if it differs. The caller commits.

    The login needs kms_rotator. `response_time_ms`: None if it did not answer. Raises `HsmError` (`unknown_hsm`).
    """
    found = {"health_status": health, "response_time_ms": response_time_ms, "last_health_check": current_time()}
    statement = sa.update(HsmConfiguration).where(_is_named(name)).values(found)
    if not _changed(session, statement):
        raise _unknown(name)


@dataclass(frozen=True)
class UsableHsm:
    """An HSM whose keys may be used."""

    name: str
    provider: HsmProvider
    audit_all_operations: bool


def usable_hsm(session: Session, name: str) -> UsableHsm:
    """Return an HSM if its keys may be used now. kms_app may read what decides it.

    Raises `HsmError`: `unknown_hsm`, and `disabled` for one that is disabled or requires two people at each login: a
    program has one PIN.
    """
    query = sa.select(
        HsmConfiguration.provider, HsmConfiguration.audit_all_operations, HsmConfiguration.is_active,
        HsmConfiguration.require_dual_auth,
    )  # fmt: skip
    row = session.execute(query.where(_is_named(name))).one_or_none()
    if row is None:
        raise _unknown(name)
    if not row.is_active:
        raise HsmError(f"HSM {name!r} is disabled: kms-schema hsm enable has its keys used again", reason="disabled")
    if row.require_dual_auth:
        raise _needs_two_people(name)
    return UsableHsm(name, row.provider, bool(row.audit_all_operations))


def refuse_dual_auth(hsm: ListedHsm) -> None:
    """Raise `HsmError` (`disabled`) for an HSM that requires two people at each login."""
    if hsm.require_dual_auth:
        raise _needs_two_people(hsm.name)


def _needs_two_people(name: str) -> HsmError:
    return HsmError(
        f"HSM {name!r} requires two people at each login (require_dual_auth), and a program has one PIN: have the HSM"
        " itself ask for the second, and set require_dual_auth to false",
        reason="disabled",
    )


def _changed(session: Session, statement: sa.Update) -> bool:
    done = session.execute(statement, execution_options={"synchronize_session": False})
    return bool(done.rowcount)  # type: ignore[attr-defined]


def _is_named(name: str) -> sa.ColumnElement[bool]:
    """Return the condition for the HSM with a name. Raises `HsmError` for a name that no database stores."""
    if fault_of(name) is not None:
        raise _unknown(name)
    return HsmConfiguration.configuration_name == name


def _unknown(name: str) -> HsmError:
    return HsmError(f"there is no HSM named {name!r}: kms-schema hsm add adds one", reason="unknown_hsm")
