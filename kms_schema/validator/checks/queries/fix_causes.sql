DELETE FROM {schema}.key_rotation_causes;
INSERT INTO {schema}.key_rotation_causes (key_id, sequence, reason, occurred_at) {part(sealed_causes)};
