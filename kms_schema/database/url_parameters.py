"""The parameters that a database URL may have after its question mark, and which of them are secret.

libpq and Python refuse every other name, and repeat it in their message.
"""

SECRET = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})

_OF_LIBPQ = SECRET | frozenset(
    {
        "application_name", "authtype", "channel_binding", "client_encoding", "connect_timeout", "dbname",
        "fallback_application_name", "gssdelegation", "gssencmode", "gsslib", "host", "hostaddr", "keepalives",
        "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname", "load_balance_hosts",
        "max_protocol_version", "min_protocol_version", "oauth_client_id", "oauth_issuer", "oauth_scope", "options",
        "passfile", "port", "replication", "require_auth", "requirepeer", "requiressl", "service", "servicefile",
        "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert", "sslcertmode", "sslcompression", "sslcrl",
        "sslcrldir", "sslkey", "sslkeylogfile", "sslmode", "sslnegotiation", "sslrootcert", "sslsni",
        "target_session_attrs", "tcp_user_timeout", "user",
    }
)  # fmt: skip
"""The parameters of libpq up to version 18."""

OF_FILES = frozenset({"mode", "cache", "immutable", "modeof", "nolock", "psow", "vfs"})
"""The parameters of SQLite in the URI of a file."""

_OF_PYTHON = frozenset({"uri", "timeout", "isolation_level", "detect_types", "check_same_thread", "cached_statements"})

KNOWN = {"postgresql": _OF_LIBPQ | {"prepare_threshold"}, "sqlite": OF_FILES | _OF_PYTHON}
"""All by engine; `prepare_threshold` is psycopg's."""
