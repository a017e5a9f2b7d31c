"""Everything that an engine's catalog says, to see whether a migration leaves a trace.

This is an independent witness: it shares nothing with the package's own reader of facts and knows no object of the
schema. It takes whole catalog rows and leaves out what only says where or when a thing was made (OIDs, file numbers,
transaction ids) and what the server estimates, so an attribute of a future PostgreSQL version is in it as well.
"""

import re
import sqlite3
from typing import Any

import psycopg

from support.engines.database import Connection

Catalog = dict[str, Any]

OURS = "n.nspname !~ '^pg_(catalog|toast|temp_|toast_temp_)' AND n.nspname <> 'information_schema'"
"""The condition for `{ours}` in the queries: excludes the server's own schemas."""

# Below OID 16384 (FirstNormalObjectId in PostgreSQL's access/transam.h) is what initdb made.
POSTGRESQL = (
    # schemas
    """
    SELECT 'schema ' || nspname,
           to_jsonb(n) - ARRAY['oid', 'nspowner'] || jsonb_build_object('owner', nspowner::regrole)
    FROM pg_namespace n WHERE {ours}
    """,
    # tables, views, indexes, sequences. The flags relhas… are hints that a dropped object leaves behind.
    """
    SELECT 'relation ' || c.oid::regclass,
           to_jsonb(c) - ARRAY['oid', 'relnamespace', 'reltype', 'reloftype', 'relowner', 'relam', 'relfilenode',
                               'reltablespace', 'relpages', 'reltuples', 'relallvisible', 'relallfrozen',
                               'reltoastrelid', 'relrewrite', 'relfrozenxid', 'relminmxid', 'relnatts',
                               'relhasindex', 'relhasrules', 'relhastriggers', 'relhassubclass']
           || jsonb_build_object('owner', relowner::regrole, 'method', (SELECT amname FROM pg_am WHERE oid = relam),
                                 'has toast', reltoastrelid <> 0,
                                 'toast options', (SELECT t.reloptions FROM pg_class t WHERE t.oid = c.reltoastrelid),
                                 'view', CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {ours}
    """,
    # columns. A dropped one leaves a gap in attnum, so the place among the living is what counts.
    """
    SELECT 'column ' || a.attrelid::regclass || '.' || attname,
           to_jsonb(a) - ARRAY['attrelid', 'atttypid', 'attnum', 'attcollation', 'attcacheoff', 'attmissingval',
                               'atthasmissing']
           || jsonb_build_object('type', format_type(atttypid, atttypmod), 'default', pg_get_expr(adbin, adrelid),
                                 'collation', (SELECT collname FROM pg_collation WHERE oid = attcollation),
                                 'position', row_number() OVER (PARTITION BY attrelid ORDER BY attnum))
    FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
    LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
    WHERE {ours} AND attnum > 0 AND NOT attisdropped
    """,
    """
    SELECT 'constraint ' || conname || ' of ' || coalesce(nullif(conrelid, 0)::regclass::text, contypid::regtype::text),
           to_jsonb(k) - ARRAY['oid', 'connamespace', 'conrelid', 'contypid', 'conindid', 'conparentid', 'confrelid',
                               'conkey', 'confkey', 'conpfeqop', 'conppeqop', 'conffeqop', 'conexclop', 'conbin',
                               'confdelsetcols']
           || jsonb_build_object('definition', pg_get_constraintdef(k.oid), 'index', nullif(conindid, 0)::regclass)
    FROM pg_constraint k JOIN pg_namespace n ON n.oid = connamespace WHERE {ours}
    """,
    """
    SELECT 'index ' || indexrelid::regclass,
           to_jsonb(i) - ARRAY['indexrelid', 'indrelid', 'indkey', 'indcollation', 'indclass', 'indoption',
                               'indexprs', 'indpred', 'indcheckxmin']
           || jsonb_build_object('definition', pg_get_indexdef(indexrelid))
    FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE {ours}
    """,
    """
    SELECT 'trigger ' || tgname || ' on ' || tgrelid::regclass,
           jsonb_build_object('definition', pg_get_triggerdef(t.oid), 'enabled', tgenabled)
    FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = relnamespace
    WHERE {ours} AND NOT tgisinternal
    """,
    # The triggers that carry out foreign keys: their names hold OIDs, but they can be disabled like any other.
    """
    SELECT 'trigger of ' || conname || ' on ' || tgrelid::regclass || ' calling ' || tgfoid::regproc,
           jsonb_build_object('enabled', tgenabled, 'type', tgtype)
    FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = relnamespace
    JOIN pg_constraint k ON k.oid = tgconstraint WHERE {ours} AND tgisinternal
    """,
    """
    SELECT 'function ' || p.oid::regprocedure,
           to_jsonb(p) - ARRAY['oid', 'pronamespace', 'proowner', 'prolang', 'provariadic', 'prosupport',
                               'prorettype', 'proargtypes', 'proallargtypes', 'protrftypes', 'proargdefaults',
                               'prosqlbody']
           || jsonb_build_object('owner', proowner::regrole,
                                 -- In the order in which they were granted, or NULL for the usual ones.
                                 'proacl', (SELECT jsonb_agg(held ORDER BY held::text)
                                            FROM unnest(coalesce(proacl, acldefault('f', proowner))) AS held),
                                 'definition', CASE WHEN prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) END)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE {ours}
    """,
    """
    SELECT 'sequence ' || seqrelid::regclass,
           to_jsonb(s) - ARRAY['seqrelid', 'seqtypid'] || jsonb_build_object('type', seqtypid::regtype)
    FROM pg_sequence s
    """,
    """
    SELECT 'rule ' || rulename || ' on ' || ev_class::regclass,
           jsonb_build_object('definition', pg_get_ruledef(r.oid), 'enabled', ev_enabled)
    FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class JOIN pg_namespace n ON n.oid = relnamespace WHERE {ours}
    """,
    """
    SELECT 'policy ' || polname || ' on ' || polrelid::regclass,
           jsonb_build_object('command', polcmd, 'permissive', polpermissive, 'roles', polroles::regrole[]::text[],
                              'using', pg_get_expr(polqual, polrelid), 'check', pg_get_expr(polwithcheck, polrelid))
    FROM pg_policy
    """,
    """
    SELECT 'type ' || t.oid::regtype,
           jsonb_build_object('kind', typtype, 'owner', typowner::regrole, 'acl', typacl, 'default', typdefault,
                              'not null', typnotnull, 'base', nullif(typbasetype, 0)::regtype,
                              'labels', (SELECT array_agg(enumlabel ORDER BY enumsortorder)
                                         FROM pg_enum WHERE enumtypid = t.oid))
    FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE {ours}
    """,
    "SELECT 'extension ' || extname, to_jsonb(e) - ARRAY['oid', 'extowner', 'extnamespace'] FROM pg_extension e",
    "SELECT 'statistics ' || stxname, to_jsonb(pg_get_statisticsobjdef(oid)) FROM pg_statistic_ext",
    "SELECT 'publication ' || pubname, to_jsonb(p) - ARRAY['oid', 'pubowner'] FROM pg_publication p",
    "SELECT 'event trigger ' || evtname, to_jsonb(e) - ARRAY['oid', 'evtowner', 'evtfoid'] FROM pg_event_trigger e",
    """
    SELECT 'default rights of ' || defaclrole::regrole || ' ' || defaclobjtype::text, to_jsonb(defaclacl)
    FROM pg_default_acl
    """,
    """
    SELECT 'settings of ' || setrole::text, to_jsonb(setconfig) FROM pg_db_role_setting
    JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
    """,
    "SELECT 'role ' || rolname, to_jsonb(r) - 'oid' FROM pg_roles r WHERE oid >= 16384",
    """
    SELECT 'membership of ' || member::regrole || ' in ' || roleid::regrole, to_jsonb(admin_option)
    FROM pg_auth_members WHERE roleid >= 16384
    """,
    """
    SELECT 'comment on ' || pg_describe_object(classoid, objoid, objsubid), to_jsonb(description)
    FROM pg_description WHERE objoid >= 16384
    """,
    """
    SELECT regexp_replace('dependency (' || deptype::text || ') of ' || pg_describe_object(classid, objid, objsubid)
                          || ' on ' || pg_describe_object(refclassid, refobjid, refobjsubid), '_[0-9]{5,}', '', 'g'),
           to_jsonb(count(*))
    FROM pg_depend WHERE objid >= 16384 GROUP BY 1
    """,
)


EVENT = re.compile(r"\b(BEFORE|AFTER|INSTEAD OF) (INSERT|UPDATE|DELETE)\b")


def catalog(connection: Connection) -> Catalog:
    """Return every object of the connected database, by kind and name, with all its attributes."""
    if isinstance(connection, sqlite3.Connection):
        return _sqlite(connection)
    return _postgresql(connection)


def _postgresql(connection: psycopg.Connection[Any]) -> Catalog:
    found: Catalog = {}
    with connection.transaction():
        connection.execute("SET LOCAL search_path = ''")  # so that every name comes with its schema
        for query in POSTGRESQL:
            for name, attributes in connection.execute(query.replace("{ours}", OURS).encode()):
                assert name not in found, f"two objects would share the key {name}"
                found[name] = attributes
    return found


def _sqlite(connection: sqlite3.Connection) -> Catalog:
    found: Catalog = {
        f"{kind} {name}": {"table": table, "sql": sql}
        for kind, name, table, sql in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema")
    }
    # Triggers of one table and event fire in the order in which they were made, so that order is behaviour.
    triggers = connection.execute("SELECT tbl_name, name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid")
    for table, name, sql in triggers.fetchall():
        event = EVENT.search(sql)
        assert event is not None, sql
        found.setdefault(f"order of triggers {event[0]} on {table}", []).append(name)
    for setting in ("user_version", "application_id", "encoding", "auto_vacuum"):
        found[setting] = connection.execute(f"PRAGMA {setting}").fetchone()[0]
    return found


def differences(before: Catalog, after: Catalog) -> dict[str, tuple[Any, Any]]:
    """Return what is not the same in two catalogs: for each object the attributes before and after (or `None`)."""
    return {
        name: (before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }
