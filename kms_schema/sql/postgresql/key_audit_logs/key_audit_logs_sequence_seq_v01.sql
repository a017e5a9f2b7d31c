-- CACHE 1: transactions get numbers in the order in which they ask. Sealing relies on that.
CREATE SEQUENCE {schema}.key_audit_logs_sequence_seq AS bigint CACHE 1
OWNED BY {schema}.key_audit_logs.sequence
