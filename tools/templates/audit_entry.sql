    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, '{category}',
        lower(replace(made.event, '_', ' ')) || ': ' || {name},
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
{made}    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', {row}.id,
            'changed', json_group_array(name),
{document}
        ) AS document
        FROM (
{columns}        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
