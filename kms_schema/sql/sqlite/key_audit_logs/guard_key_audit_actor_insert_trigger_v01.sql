-- Only the deferred foreign key ensures that a claim is gone when its transaction commits.
CREATE TRIGGER guard_key_audit_actor_insert
BEFORE INSERT ON key_audit_actor
BEGIN
    SELECT RAISE(ABORT, 'guard_key_audit_actor_insert: requires PRAGMA foreign_keys = ON: a claim ends with its transaction')
    WHERE (SELECT foreign_keys FROM pragma_foreign_keys) = 0;
END
