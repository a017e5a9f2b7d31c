-- CACHE 1: numbers are drawn in the order in which transactions ask, which sealing relies on.
CREATE SEQUENCE {schema}.key_audit_logs_sequence_seq AS bigint CACHE 1
OWNED BY {schema}.key_audit_logs.sequence
