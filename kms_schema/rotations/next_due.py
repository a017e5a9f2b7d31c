"""The SQL of the first key that is due by a date beyond the notice of its policy: the view `rotations_due` lacks it.

Limits and dates are those of the view. Keys whose date is reached, or within the notice, are passed. Each branch reads
keys in the order of an index of the view, and stops at the first: time and age for each policy, expiry for all at once.
A date after the year 9999, which no program could read, is the end of that year.
"""

from kms_schema.rotations.reasons import LIVE

_SINCE = "coalesce(found.rotated_at, found.activated_at)"
_NOT_DUE = f"""NOT EXISTS (
            SELECT 1 FROM limits AS other WHERE other.key_type = found.key_type AND (
                {_SINCE} <= other.rotated_by OR found.expires_at <= other.noticed OR EXISTS (
                    SELECT 1 FROM {{schema}}key_versions AS live
                    WHERE live.key_id = found.id AND live.activated_at <= other.activated_by AND {LIVE}
                )
            )
        )"""
_FIRST_BY_TIME = f"""SELECT found.id FROM {{schema}}key_masters AS found
        WHERE found.status = 'active' AND found.key_type = limits.key_type AND {_SINCE} > limits.rotated_by
            AND {_NOT_DUE}
        ORDER BY {_SINCE} LIMIT 1"""
_FIRST_BY_AGE = f"""SELECT live.id FROM {{schema}}key_versions AS live
        WHERE live.key_type = limits.key_type AND live.activated_at > limits.activated_by AND {LIVE} AND EXISTS (
            SELECT 1 FROM {{schema}}key_masters AS found
            WHERE found.id = live.key_id AND {{unindexed}}found.status = 'active' AND {_NOT_DUE}
        )
        ORDER BY live.activated_at LIMIT 1"""
_FIRST_BY_EXPIRY = f"""SELECT found.id FROM {{schema}}key_masters AS found
        WHERE found.status = 'active' AND found.expires_at > (SELECT min(noticed) FROM limits)
            AND EXISTS (SELECT 1 FROM limits AS own WHERE own.key_type = found.key_type) AND {_NOT_DUE}
        ORDER BY found.expires_at LIMIT 1"""

_NEXT = f"""
    WITH limits AS MATERIALIZED ({{limits}}),
    firsts AS MATERIALIZED (
        SELECT limits.*, ({_FIRST_BY_TIME}) AS by_time, ({_FIRST_BY_AGE}) AS by_age FROM limits
    ),
    expiring AS MATERIALIZED ({_FIRST_BY_EXPIRY})
    SELECT found.key_id, 'time' AS reason, {{by_time}} AS due_at, firsts.policy_name
    FROM firsts CROSS JOIN {{schema}}key_masters AS found WHERE found.id = firsts.by_time
    UNION ALL
    SELECT found.key_id, 'age', {{by_age}}, firsts.policy_name
    FROM firsts CROSS JOIN {{schema}}key_versions AS version CROSS JOIN {{schema}}key_masters AS found
    WHERE version.id = firsts.by_age AND found.id = version.key_id
    UNION ALL
    SELECT found.key_id, 'expiry', found.expires_at, limits.policy_name
    FROM expiring CROSS JOIN {{schema}}key_masters AS found CROSS JOIN limits
    WHERE found.id = expiring.id AND limits.key_type = found.key_type
    ORDER BY due_at, key_id, policy_name LIMIT 1
"""

NEXT_ON_POSTGRESQL = _NEXT.format(
    schema="{schema}.",
    unindexed="",
    limits="""
        SELECT policy_name, key_type, rotation_interval, maximum_age, now() + notice AS noticed,
            now() + notice - rotation_interval AS rotated_by, now() + notice - maximum_age AS activated_by
        FROM {schema}.rotation_policies CROSS JOIN LATERAL (
            SELECT make_interval(hours => least(notify_before_rotation_hours, 8766000)) AS notice,
                CASE WHEN rotation_interval_days < 700000 THEN make_interval(hours => 24 * rotation_interval_days) END
                    AS rotation_interval,
                CASE WHEN max_key_age_days < 700000 THEN make_interval(hours => 24 * max_key_age_days) END
                    AS maximum_age
        ) AS span
        WHERE is_active
    """,
    by_time=f"least({_SINCE} + firsts.rotation_interval, '9999-12-31 23:59:59.999999+00')",
    by_age="least(version.activated_at + firsts.maximum_age, '9999-12-31 23:59:59.999999+00')",
)


def _from_now(hours: str) -> str:
    now = "strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'"
    return f"strftime('%Y-%m-%dT%H:%M:%S', 'now', ({hours}) || ' hours') || substr({now}, 20)"


def _after(time: str, hours: str) -> str:
    after = f"strftime('%Y-%m-%dT%H:%M:%S', substr({time}, 1, 19), {hours} || ' hours') || substr({time}, 20)"
    return f"coalesce({after}, '9999-12-31T23:59:59.999999Z')"


NEXT_ON_SQLITE = _NEXT.format(
    schema="",
    unindexed="+",
    limits=f"""
        SELECT policy_name, key_type, rotation_interval, maximum_age, {_from_now("notice")} AS noticed,
            {_from_now("notice - rotation_interval")} AS rotated_by, {_from_now("notice - maximum_age")} AS activated_by
        FROM (
            SELECT policy_name, key_type, min(notify_before_rotation_hours, 8766000) AS notice,
                CASE WHEN rotation_interval_days < 700000 THEN 24 * rotation_interval_days END AS rotation_interval,
                CASE WHEN max_key_age_days < 700000 THEN 24 * max_key_age_days END AS maximum_age
            FROM rotation_policies
            WHERE is_active
        )
    """,
    by_time=_after(_SINCE, "firsts.rotation_interval"),
    by_age=_after("version.activated_at", "firsts.maximum_age"),
)
