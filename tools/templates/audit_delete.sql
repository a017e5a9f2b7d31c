CREATE TRIGGER audit_{singular}_delete
AFTER DELETE ON {table}
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, '{category}',
        lower(replace(made.event, '_', ' ')) || ': ' || {name},
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NULL AS key_id, '{subject}_DELETED' AS event, 'HIGH' AS level, 1 AS place
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', OLD.id,
            'changed', json_group_array(name),
{owner}            'from', json_group_object(name, {shown}) FILTER (WHERE kind <> 'named' AND before IS NOT NULL)
        ) AS document
        FROM (
{columns}        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
