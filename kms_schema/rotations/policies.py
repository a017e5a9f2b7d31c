"""Rotation policies, as people create, read and change them."""

import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.database.messages import driver_message
from kms_schema.models import RotationPolicy
from kms_schema.rotations.claims import RotationError
from kms_schema.text.storable import check_texts, fault_of

CHANGEABLE = (
    "rotation_interval_days", "max_key_age_days", "max_operations", "max_data_volume_mb",
    "rotate_on_security_incident", "rotate_on_compliance_requirement", "rotation_window_start", "rotation_window_end",
    "timezone", "notify_before_rotation_hours", "notification_channels", "is_active",
)  # fmt: skip
"""The columns that `update_policy` changes."""


def create_policy(session: Session, policy_name: str, key_type: str, values: Mapping[str, Any]) -> RotationPolicy:
    """Create a policy, and return it as the database has it. The caller commits.

    - `session`: in a transaction; its login needs kms_admin
    - `policy_name`: up to 100 characters. `key_type`: of the keys to which it applies
    - `values`: of the columns in `CHANGEABLE`, and of `created_by`; the others have their defaults

    Raises `RotationError` (reasons `policy_exists`, and `policy_refused` for values that the database refuses), and
    `ValueError` for a text that no database stores. Example::

        create_policy(session, "data keys quarterly", "dek", {"rotation_interval_days": 90})
    """
    check_texts(policy_name=policy_name, **values)
    if session.scalar(sa.select(RotationPolicy.id).where(RotationPolicy.policy_name == policy_name)) is not None:
        raise RotationError(
            f"there is a policy named {policy_name!r}: change it with policies update", reason="policy_exists"
        )
    policy = RotationPolicy(policy_name=policy_name, key_type=key_type, **values)
    session.add(policy)
    return _written(session, policy)


def find_policy(session: Session, policy_name: str) -> RotationPolicy:
    """Return the policy with this name. Raises `RotationError` (reason `unknown_policy`)."""
    named = sa.select(RotationPolicy).where(RotationPolicy.policy_name == policy_name)
    found = session.scalars(named).one_or_none() if fault_of(policy_name) is None else None
    if found is None:
        raise RotationError(
            f"there is no policy named {policy_name!r}: kms-schema policies list shows the names",
            reason="unknown_policy",
        )
    return found


def list_policies(session: Session) -> Sequence[RotationPolicy]:
    """Return all policies, in the order of their names. Raises nothing of its own."""
    return session.scalars(sa.select(RotationPolicy).order_by(RotationPolicy.policy_name)).all()


def update_policy(session: Session, policy_name: str, values: Mapping[str, Any]) -> RotationPolicy:
    """Change a policy, and return it as the database has it. The caller commits.

    - `session`: in a transaction; its login needs kms_admin
    - `policy_name`: its name. `values`: of the columns in `CHANGEABLE`; None removes a limit

    A rotation that is scheduled is not made if its policy is disabled before a worker begins it. Raises
    `RotationError` (reasons `unknown_policy`, and `policy_refused` for values that the database refuses), and
    `ValueError` for a text that no database stores. Example::

        update_policy(session, "data keys quarterly", {"max_operations": 10**9})
    """
    check_texts(**values)
    policy = find_policy(session, policy_name)
    for column, value in values.items():
        setattr(policy, column, value)
    return _written(session, policy)


def _written(session: Session, policy: RotationPolicy) -> RotationPolicy:
    if policy.timezone is not None and policy.timezone not in zoneinfo.available_timezones():
        # PostgreSQL refuses it as well; SQLite knows no zones.
        raise RotationError(
            f"there is no time zone {policy.timezone!r}: a name such as Europe/Berlin", reason="policy_refused"
        )
    try:
        session.flush()
    except (sa.exc.IntegrityError, sa.exc.DataError) as error:
        reason = driver_message(error)
        advice = ". Set another limit first, or disable the policy" if "nothing that makes a key due" in reason else ""
        raise RotationError(f"the database refuses the policy: {reason}{advice}", reason="policy_refused") from None
    session.refresh(policy)
    return policy
