"""Configurations of hardware security modules."""

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kms_schema.envelope_format import EnvelopeFormat
from kms_schema.models.base import (
    Base,
    CreatedAt,
    Id,
    Timestamp,
    Words,
    check,
    check_per_engine,
    json_shape,
    not_blank,
    one_of,
    vocabulary_column,
)
from kms_schema.models.envelopes import EnvelopeBytes
from kms_schema.vocabulary import HsmHealth, HsmProvider

_SECRETS = (
    *("password", "passwd", "passphrase", "secret", "credential", "credentials"),
    *("apikey", "accesskey", "secretkey", "privatekey", "sharedkey"),
    *("accesstoken", "authtoken", "bearertoken", "sessiontoken", "pinvalue"),
)
"""The ends of names of parameters that may be secrets, without `_` and `-`; `pin-value` is PKCS #11's (RFC 7512)."""
_SECRET_WORDS = ("pwd", "pass", "pin")
"""Names, or their last words, that may be secrets."""
_ENCODED = ("%25", "%2[de]", "%3[0-9]", "%[46][1-9a-f]", "%[57][0-9a]", "%5f", "%7e")
"""Percent-encoded characters that need not be encoded: they could hide a name."""
_PLAIN = "replace(replace(replace(replace(lower(endpoint_url), '%3a', ':'), '%3d', '='), '%40', '@'), ' =', '=')"
_JOINED = f"replace(replace({_PLAIN}, '_', ''), '-', '')"


def _in_any_language(condition: str) -> str:
    """Return a condition in which `lower` follows ASCII: in Turkish, `PIN` has another i in lower case."""
    return condition.replace("lower(endpoint_url)", 'lower(endpoint_url COLLATE "C")')


_NO_SECRET_ON_POSTGRESQL = _in_any_language(
    f"regexp_replace({_PLAIN}, '^[a-z][a-z0-9+.-]*:/+', '') !~ ':.*@'"
    f" AND {_JOINED} !~ '({'|'.join(_SECRETS)})='"
    f" AND {_PLAIN} !~ '(^|[^a-z0-9])({'|'.join(_SECRET_WORDS)})='"
    f" AND {_PLAIN} !~ '{'|'.join(_ENCODED)}'"
)


def _no_secret_on_sqlite() -> str:
    """Return the same condition: no `:` before an `@` after the scheme, no name of a secret, none that is encoded."""
    after_scheme = f"CASE WHEN instr({_PLAIN}, ':') = instr({_PLAIN}, ':/') THEN instr({_PLAIN}, ':') + 1 ELSE 1 END"
    names = [f"instr({_JOINED}, '{name}=') = 0" for name in _SECRETS]
    words = [f"'?' || {_PLAIN} NOT GLOB '*[^a-z0-9]{word}=*'" for word in _SECRET_WORDS]
    encoded = [f"{_PLAIN} NOT GLOB '*{code}*'" for code in _ENCODED]
    return " AND ".join((f"substr({_PLAIN}, {after_scheme}) NOT GLOB '*:*@*'", *names, *words, *encoded))


class HsmConfiguration(Base):
    """The address of an HSM. Its credentials are an AES-256-GCM envelope, never text."""

    __tablename__ = "hsm_configurations"
    __table_args__: Any = (
        check("provider_known", one_of("provider", HsmProvider)),
        check("health_status_known", one_of("health_status", HsmHealth)),
        *not_blank("configuration_name"),
        *not_blank("endpoint_url"),
        check("max_key_size_bits_positive", "max_key_size_bits > 0"),
        check("response_time_ms_not_negative", "response_time_ms >= 0"),
        # Format byte 01, a 12-byte nonce, at least one byte of ciphertext, a 16-byte tag.
        *check_per_engine(
            "authentication_config_is_envelope",
            postgresql="substring(authentication_config FROM 1 FOR 1) = '\\x01'::bytea"
            " AND octet_length(authentication_config) >= 30",
            sqlite="substr(authentication_config, 1, 1) = x'01' AND length(authentication_config) >= 30",
        ),
        *check_per_engine(
            "endpoint_url_has_no_secret", postgresql=_NO_SECRET_ON_POSTGRESQL, sqlite=_no_secret_on_sqlite()
        ),
        *json_shape("supported_algorithms", "array"),
        *not_blank("wrapping_key_ref"),
        # Credentials may have no wrapping key: the column is newer than the table, and optional.
        check("wrapping_key_ref_has_credentials", "wrapping_key_ref IS NULL OR authentication_config IS NOT NULL"),
        sa.UniqueConstraint("configuration_name"),
        {"sqlite_with_rowid": False},
    )

    id: Mapped[Id]
    provider: Mapped[HsmProvider] = mapped_column(vocabulary_column(HsmProvider))
    configuration_name: Mapped[str] = mapped_column(sa.String(100))
    endpoint_url: Mapped[str | None] = mapped_column(sa.String(255))
    authentication_config: Mapped[bytes | None] = mapped_column(EnvelopeBytes(EnvelopeFormat.AES_256_GCM))
    supported_algorithms: Mapped[Words | None]
    max_key_size_bits: Mapped[int | None] = mapped_column(sa.Integer)
    supports_key_generation: Mapped[bool] = mapped_column(server_default=sa.true())
    supports_key_derivation: Mapped[bool] = mapped_column(server_default=sa.false())
    is_active: Mapped[bool] = mapped_column(server_default=sa.true())
    last_health_check: Mapped[Timestamp | None]
    health_status: Mapped[HsmHealth | None] = mapped_column(vocabulary_column(HsmHealth))
    response_time_ms: Mapped[int | None] = mapped_column(sa.Integer)
    require_dual_auth: Mapped[bool] = mapped_column(server_default=sa.false())
    audit_all_operations: Mapped[bool] = mapped_column(server_default=sa.true())
    created_at: Mapped[CreatedAt]
    created_by: Mapped[str | None] = mapped_column(sa.String(100))
    updated_at: Mapped[CreatedAt] = mapped_column(server_onupdate=sa.FetchedValue())
    wrapping_key_ref: Mapped[str | None] = mapped_column(sa.String(255))

    shown: ClassVar[tuple[str, ...]] = ("configuration_name", "provider", "is_active", "health_status")
