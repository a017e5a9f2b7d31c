-- A time-ordered UUID (RFC 9562, version 7): 48 bits of Unix milliseconds before 74 random ones.
-- PostgreSQL has uuidv7() only from 18 on; one definition for 13 to 18 keeps every server's catalog the same.
CREATE FUNCTION {schema}.kms_uuidv7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT encode(
    set_bit(
        set_bit(
            overlay(
                uuid_send(gen_random_uuid())
                PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                FROM 1 FOR 6
            ),
            52, 1 -- version 4 becomes 7: 0100 to 0111
        ),
        53, 1
    ),
    'hex'
)::uuid
$$
