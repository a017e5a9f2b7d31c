-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER guard_rotation_policy_bounds
BEFORE INSERT OR UPDATE OF notification_channels ON {schema}.rotation_policies
FOR EACH ROW EXECUTE FUNCTION {schema}.guard_row_bounds(
    'notification_channels', '65536'
)
