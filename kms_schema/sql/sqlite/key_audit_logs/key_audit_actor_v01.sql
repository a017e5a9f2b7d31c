-- Derived from the models by tools/derived_sql.py.
CREATE TABLE key_audit_actor (
    until_commit VARCHAR(100) DEFAULT '' NOT NULL,
    actor VARCHAR(100) NOT NULL,
    CONSTRAINT pk_key_audit_actor PRIMARY KEY (until_commit),
    CONSTRAINT ck_key_audit_actor_actor_not_blank CHECK (trim(actor, char(9, 10, 13, 32)) <> ''),
    CONSTRAINT ck_key_audit_actor_until_commit_blank CHECK (until_commit = ''),
    CONSTRAINT uq_key_audit_actor_actor UNIQUE (actor),
    CONSTRAINT fk_key_audit_actor_until_commit_key_audit_actor FOREIGN KEY(until_commit) REFERENCES key_audit_actor (actor) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ck_key_audit_actor_until_commit_type CHECK (typeof(until_commit) = 'text' AND instr(until_commit, char(0)) = 0 AND length(until_commit) <= 100),
    CONSTRAINT ck_key_audit_actor_actor_type CHECK (typeof(actor) = 'text' AND instr(actor, char(0)) = 0 AND length(actor) <= 100)
) WITHOUT ROWID
