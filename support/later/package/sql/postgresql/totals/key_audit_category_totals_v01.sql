-- How many sealed entries there are of a category.
CREATE TABLE {schema}.key_audit_category_totals (
    event_category VARCHAR(30) NOT NULL,
    event_count BIGINT NOT NULL,
    CONSTRAINT pk_key_audit_category_totals PRIMARY KEY (event_category)
)
