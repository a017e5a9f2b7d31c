-- Derived from the models by tools/derived_sql.py.
CREATE TABLE {schema}.key_view_refreshes (
    view_name VARCHAR(63) NOT NULL,
    refreshed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_key_view_refreshes PRIMARY KEY (view_name)
)
