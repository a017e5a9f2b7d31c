"timestamp" >= {start} AND "timestamp" < {end}
