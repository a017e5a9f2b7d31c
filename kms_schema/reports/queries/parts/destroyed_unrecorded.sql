version.destroyed_at >= {recorded_from} AND version.destroyed_at < {end}
    AND version.destroyed_at > version.created_at AND version.id NOT IN (SELECT id FROM recorded_destruction)
