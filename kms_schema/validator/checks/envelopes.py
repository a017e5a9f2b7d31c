"""The envelopes: the checks of encrypted material that need no key, beyond the length that a trigger checks.

An envelope that two rows have was copied, and a nonce that occurs twice was not random. Text is not ciphertext, and a
version whose wrappers lead to no key is lost. Each check is one query, which reads every envelope a few times at most.
Findings name rows, never bytes. `kms-schema rewrap --dry-run --verify` opens the envelopes with the wrapping key.
"""

from collections.abc import Iterator

from kms_schema.envelope_format import EnvelopeFormat
from kms_schema.text.identifiers import quoted

LEAST_JUDGED = 24
"""The least number of bytes of ciphertext that are checked for text.

98 of 256 bytes are printable ASCII, tab, line feed or carriage return: that 24 random ones all are has a probability
of (98/256)^24 = 1e-10, so one of ten thousand databases with a million envelopes of this length has a false warning.
Of a 256-bit key, 32 bytes are checked in AES-256-GCM (5e-14), 40 in AES-256-KWP (2e-17). A tag or a nonce of zeros by
chance adds 2^-96 or less.
"""

VERSIONS, CONFIGURATIONS = "key_versions", "hsm_configurations"

_SPELLED = {
    "postgresql": {
        "gcm": "'\\x01'::bytea",
        "kwp": "'\\x02'::bytea",
        "zeros": "decode(repeat('00', {count}), 'hex')",
        "text": "encode({judged}, 'hex') ~ '^(09|0a|0d|[2-6][0-9a-f]|7[0-9a-e])+$'",
        "format": "encryption_metadata ->> 'format'",
        "algorithm": "(encryption_metadata ->> 'algorithm') COLLATE \"C\"",
    },
    "sqlite": {
        "gcm": "x'01'",
        "kwp": "x'02'",
        "zeros": "zeroblob({count})",
        # The length of a text ends at its first NUL, where GLOB ends as well.
        "text": "(length(CAST({judged} AS text)) = length({judged})"
        " AND CAST({judged} AS text) NOT GLOB '*[^' || char(9, 10, 13) || ' -~]*')",
        "format": "CASE WHEN json_valid(encryption_metadata)"
        " THEN CAST(json_extract(encryption_metadata, '$.format') AS text) END",
        "algorithm": "CASE WHEN json_valid(encryption_metadata)"
        " THEN CAST(json_extract(encryption_metadata, '$.algorithm') AS text) END",
    },
}

_VERSION = (
    "coalesce(master.key_id, CAST(version.key_id AS text)) || ' v' || CAST(version.version_number AS text)"
    " || ' (' || CAST(version.id AS text) || ')'"
)
_CONFIGURATION = (
    "'HSM configuration ' || configuration.configuration_name || ' (' || CAST(configuration.id AS text) || ')'"
)
_OTHER = """CASE WHEN name = first_name THEN last_name ELSE first_name END
        || CASE WHEN alike > 2 THEN ' and ' || CAST(alike - 2 AS text) || ' more' ELSE '' END"""

# A CHECK refuses a version without encryption_metadata.
_DESCRIBED_AS_ANOTHER = """SELECT {version_name} AS name, 'is an ' || by_byte || ' envelope by its first byte,'
        || ' and encryption_metadata names another ' || CASE WHEN other_format THEN 'format' ELSE 'algorithm' END
        AS problem
    FROM (SELECT id, key_id, version_number, by_byte,
            ltrim(named_format, '0x') <> format_byte AS other_format,
            upper(named_algorithm) <> by_byte AS other_algorithm
        FROM (SELECT id, key_id, version_number, {format} AS named_format, {algorithm} AS named_algorithm,
                CASE substr(encrypted_key_data, 1, 1) WHEN {gcm} THEN '{gcm_format}' WHEN {kwp} THEN '{kwp_format}' END
                    AS format_byte,
                CASE substr(encrypted_key_data, 1, 1) WHEN {gcm} THEN '{gcm_name}' WHEN {kwp} THEN '{kwp_name}' END
                    AS by_byte
            FROM {versions}) AS described) AS version
    LEFT JOIN {masters} AS master ON master.id = version.key_id
    WHERE other_format OR other_algorithm"""

# The rules of wrappers name a version whose own wrapper is wrong. Only versions that wrap others can pass this on: they
# are few, and the query follows them from the top downwards, each once.
_WRAPPED_BY_NOTHING = """WITH RECURSIVE link (id, wrapper_id, key_id, name, may_wrap, kept, is_top) AS MATERIALIZED (
        SELECT version.id, version.wrapped_by_version_id, version.key_id,
            coalesce(master.key_id, CAST(version.key_id AS text)) || ' v' || CAST(version.version_number AS text),
            version.destroyed_at IS NULL AND master.key_type = 'kek',
            version.encrypted_key_data IS NOT NULL,
            version.encrypted_key_data IS NOT NULL AND version.wrapping_key_ref IS NOT NULL
                OR version.destroyed_at IS NULL AND master.hsm_key_id IS NOT NULL
        FROM {versions} AS version LEFT JOIN {masters} AS master ON master.id = version.key_id
        WHERE version.id IN (SELECT wrapped_by_version_id FROM {versions} WHERE wrapped_by_version_id IS NOT NULL)
    ),
    opened (id) AS (
        SELECT id FROM link WHERE is_top
        UNION
        SELECT link.id FROM opened JOIN link ON link.wrapper_id = opened.id WHERE link.kept
    ),
    lost (id, wrapper_id, key_id, name, may_wrap) AS (
        SELECT link.id, link.wrapper_id, link.key_id, link.name, link.may_wrap
        FROM link LEFT JOIN opened ON opened.id = link.id WHERE opened.id IS NULL
    ),
    walk (id, reached) AS (
        SELECT id, wrapper_id FROM lost
        UNION
        SELECT walk.id, lost.wrapper_id FROM walk JOIN lost ON lost.id = walk.reached
    ),
    circle (id) AS (SELECT id FROM walk WHERE id = reached)
    SELECT {version_name} AS name, 'is wrapped by ' || lost.name
        || ', and no wrapper leads from there to a root key or an HSM' AS problem
    FROM lost
    JOIN {versions} AS version ON version.wrapped_by_version_id = lost.id
    LEFT JOIN circle ON circle.id = version.id
    LEFT JOIN {masters} AS master ON master.id = version.key_id
    WHERE version.encrypted_key_data IS NOT NULL AND version.wrapping_key_ref IS NULL
        AND lost.may_wrap AND lost.key_id <> version.key_id AND circle.id IS NULL"""

_SAME_ENVELOPE = """WITH twice (envelope) AS (
        SELECT envelope FROM (
            SELECT encrypted_key_data AS envelope FROM {versions} WHERE encrypted_key_data IS NOT NULL
            UNION ALL
            SELECT authentication_config FROM {configurations} WHERE authentication_config IS NOT NULL
        ) AS stored GROUP BY envelope HAVING count(*) > 1
    ),
    alike (envelope, name) AS (
        SELECT version.encrypted_key_data, {version_name}
        FROM {versions} AS version LEFT JOIN {masters} AS master ON master.id = version.key_id
        WHERE version.encrypted_key_data IN (SELECT envelope FROM twice)
        UNION ALL
        SELECT configuration.authentication_config, {configuration_name}
        FROM {configurations} AS configuration
        WHERE configuration.authentication_config IN (SELECT envelope FROM twice)
    )
    SELECT name, 'has the same envelope as ' || {other} AS problem
    FROM (SELECT name, min(name) OVER same AS first_name, max(name) OVER same AS last_name, count(*) OVER same AS alike
        FROM alike WINDOW same AS (PARTITION BY envelope)) AS named"""

# A whole envelope that occurs twice is a copy, which the query above finds.
_SAME_NONCE = """WITH twice (nonce) AS (
        SELECT substr(envelope, 2, 12)
        FROM (SELECT encrypted_key_data AS envelope FROM {versions}
            UNION ALL SELECT authentication_config FROM {configurations}) AS stored
        WHERE substr(envelope, 1, 1) = {gcm} GROUP BY substr(envelope, 2, 12) HAVING count(*) > 1
    ),
    alike (wrapper, nonce, envelope, name) AS (
        SELECT coalesce(version.wrapping_key_ref, CAST(version.wrapped_by_version_id AS text)),
            substr(version.encrypted_key_data, 2, 12), version.encrypted_key_data, {version_name}
        FROM {versions} AS version LEFT JOIN {masters} AS master ON master.id = version.key_id
        WHERE substr(version.encrypted_key_data, 1, 1) = {gcm}
            AND substr(version.encrypted_key_data, 2, 12) IN (SELECT nonce FROM twice)
        UNION ALL
        SELECT configuration.wrapping_key_ref, substr(configuration.authentication_config, 2, 12),
            configuration.authentication_config, {configuration_name}
        FROM {configurations} AS configuration
        WHERE substr(configuration.authentication_config, 1, 1) = {gcm}
            AND substr(configuration.authentication_config, 2, 12) IN (SELECT nonce FROM twice)
    )
    SELECT name, 'has the same nonce under the same wrapper as ' || {other} AS problem
    FROM (SELECT name, min(name) OVER same AS first_name, max(name) OVER same AS last_name, count(*) OVER same AS alike
        FROM alike
        WHERE (wrapper, nonce) IN
            (SELECT wrapper, nonce FROM alike GROUP BY wrapper, nonce HAVING count(DISTINCT envelope) > 1)
        WINDOW same AS (PARTITION BY wrapper, nonce)) AS named"""

_LIKE_PLAINTEXT = """SELECT {version_name} AS name, version.fault AS problem
    FROM (SELECT id, key_id, version_number, fault
        FROM (SELECT id, key_id, version_number, {fault_of_version} AS fault FROM {versions}) AS judged
        WHERE fault IS NOT NULL) AS version
    LEFT JOIN {masters} AS master ON master.id = version.key_id
    UNION ALL
    SELECT {configuration_name}, fault
    FROM (SELECT id, configuration_name, {fault_of_configuration} AS fault FROM {configurations}) AS configuration
    WHERE fault IS NOT NULL"""

_FAULT = """CASE
        WHEN {text} THEN 'is text after its format byte'
        WHEN substr({envelope}, 1, 1) = {gcm} AND substr({envelope}, 2, 12) = {zero_nonce}
            THEN 'has a nonce of zero bytes'
        WHEN substr({envelope}, 1, 1) = {gcm} AND substr({envelope}, length({envelope}) - 15) = {zero_tag}
            THEN 'has a tag of zero bytes'
    END"""

# The ciphertext; with the tag, if it is too short to be checked alone.
_JUDGED = """CASE
        WHEN substr({envelope}, 1, 1) = {gcm} AND length({envelope}) >= 29 + {least}
            THEN substr({envelope}, 14, length({envelope}) - 29)
        WHEN substr({envelope}, 1, 1) = {gcm} AND length({envelope}) >= 13 + {least} THEN substr({envelope}, 14)
        WHEN substr({envelope}, 1, 1) = {kwp} AND length({envelope}) >= 1 + {least} THEN substr({envelope}, 2)
    END"""

_OF_VERSIONS = tuple(f"column {VERSIONS}.{name}" for name in ("id", "key_id", "version_number", "encrypted_key_data"))
_OF_MASTERS = ("column key_masters.id", "column key_masters.key_id")
_OF_DESCRIPTIONS = (f"column {VERSIONS}.encryption_metadata",)
_OF_WRAPPERS = tuple(f"column {VERSIONS}.{name}" for name in ("wrapped_by_version_id", "wrapping_key_ref"))
_OF_CONFIGURATIONS = tuple(
    f"column {CONFIGURATIONS}.{name}" for name in ("id", "configuration_name", "authentication_config")
)
_OF_CREDENTIALS = (*_OF_CONFIGURATIONS, f"column {CONFIGURATIONS}.wrapping_key_ref")
_OF_STATES = (
    f"column {VERSIONS}.destroyed_at", "column key_masters.key_type", "column key_masters.hsm_key_id",
)  # fmt: skip

WANTED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "KMS521": ("envelopes of the format in encryption_metadata", _DESCRIBED_AS_ANOTHER, _OF_DESCRIPTIONS),
    "KMS522": ("wrappers that lead to a root key or an HSM", _WRAPPED_BY_NOTHING, _OF_WRAPPERS + _OF_STATES),
    "KMS523": ("an envelope for each row", _SAME_ENVELOPE, _OF_CONFIGURATIONS),
    "KMS524": ("a nonce for each envelope under a wrapper", _SAME_NONCE, (*_OF_WRAPPERS, *_OF_CREDENTIALS)),
    "KMS525": ("envelopes that look like ciphertext", _LIKE_PLAINTEXT, _OF_CONFIGURATIONS),
}  # fmt: skip
"""By code: what is expected, a query of the violations (name, problem), and what else it reads."""


def envelope_queries(engine: str, schema: str) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Yield the code, what is expected, the query and the objects that it reads; `schema` is PostgreSQL's, unquoted."""
    for code, (wanted, template, reads) in WANTED.items():
        yield code, wanted, _filled(template, engine, schema), (*_OF_VERSIONS, *_OF_MASTERS, *reads)


def _filled(template: str, engine: str, schema: str) -> str:
    place = "main" if engine == "sqlite" else quoted(schema)
    spelled = _SPELLED[engine]
    gcm, kwp = EnvelopeFormat.AES_256_GCM, EnvelopeFormat.AES_256_KWP
    return template.format(
        versions=f"{place}.{VERSIONS}",
        masters=f"{place}.key_masters",
        configurations=f"{place}.{CONFIGURATIONS}",
        version_name=_VERSION,
        configuration_name=_CONFIGURATION,
        other=_OTHER,
        gcm=spelled["gcm"],
        kwp=spelled["kwp"],
        gcm_format=int(gcm),
        kwp_format=int(kwp),
        gcm_name=gcm.algorithm,
        kwp_name=kwp.algorithm,
        format=spelled["format"],
        algorithm=spelled["algorithm"],
        fault_of_version=_fault("encrypted_key_data", engine),
        fault_of_configuration=_fault("authentication_config", engine),
    )


def _fault(envelope: str, engine: str) -> str:
    """Return an expression for the reason why an envelope looks like plaintext, or NULL."""
    spelled = _SPELLED[engine]
    formats = {"gcm": spelled["gcm"], "kwp": spelled["kwp"]}
    judged = _JUDGED.format(envelope=envelope, least=LEAST_JUDGED, **formats)
    return _FAULT.format(
        envelope=envelope,
        text=spelled["text"].format(judged=judged),
        zero_nonce=spelled["zeros"].format(count=12),
        zero_tag=spelled["zeros"].format(count=16),
        **formats,
    )
