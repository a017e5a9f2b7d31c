-- Every entry with its position in the tree, NULL if it is not sealed yet. The page of an entry is the one with the
-- highest first_sequence that is not above the entry's sequence.
CREATE VIEW {schema}.key_audit_trail AS
SELECT
    entry.id,
    entry.sequence,
    entry.key_id,
    entry.event_type,
    entry.event_category,
    entry.event_description,
    entry.user_id,
    entry.session_id,
    entry.client_ip,
    entry.user_agent,
    entry."timestamp",
    entry.duration_ms,
    entry.security_level,
    entry.risk_score,
    entry.compliance_tags,
    entry.retention_period_days,
    entry.recorded_by,
    entry.additional_metadata,
    page.first_leaf + entry.sequence - page.first_sequence AS leaf_index,
    substr(page.hashes, 1 + 32 * (entry.sequence - page.first_sequence)::integer, 32) AS leaf_hash,
    seal.seal_number
FROM {schema}.key_audit_logs AS entry
LEFT JOIN LATERAL (
    SELECT candidate.first_leaf, candidate.first_sequence, candidate.hashes
    FROM {schema}.key_audit_leaves AS candidate
    WHERE candidate.first_sequence <= entry.sequence
    ORDER BY candidate.first_sequence DESC LIMIT 1
) AS page ON entry.sequence < page.first_sequence + length(page.hashes) / 32
LEFT JOIN LATERAL (
    SELECT candidate.seal_number
    FROM {schema}.key_audit_seals AS candidate
    WHERE candidate.tree_size > page.first_leaf
    ORDER BY candidate.tree_size LIMIT 1
) AS seal ON true
