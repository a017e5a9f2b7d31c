"""Everything in a schema, asked from PostgreSQL's catalog and not from the validator's reader, which is on trial."""

import psycopg
from psycopg.rows import dict_row

from kms_schema import snapshots
from tests.mutations.kinds import Rows

_RELATION = "c.relname AS relation, c.oid::regclass::text AS on_relation, c.oid::integer AS relation_oid"
_OURS = "pg_class c WHERE c.relnamespace = 'public'::regnamespace"

QUERIES = {
    "database": """SELECT quote_ident(current_database()) AS database, quote_ident(current_user) AS owner""",
    "tables": f"""SELECT 'table ' || c.relname AS key, {_RELATION},
            (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1) AS first_column,
            (SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
             WHERE i.indrelid = c.oid AND i.indisprimary) AS primary_index,
            (SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_index i JOIN pg_attribute a
             ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisprimary) AS primary_columns,
            (SELECT string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
             FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS column_list,
            (SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
             WHERE attrelid = c.oid AND attnum IN (1, 2) AND NOT attisdropped HAVING count(*) = 2) AS two_columns,
            EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND c.oid IN (k.conrelid, k.confrelid)) AS in_foreign_key,
            (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
             WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS column_names, c.relnatts AS column_count,
            c.reltoastrelid <> 0 AS toasted
        FROM {_OURS} AND c.relkind = 'r'""",
    "columns": f"""SELECT 'column ' || c.relname || '.' || a.attname AS key, {_RELATION}, quote_ident(a.attname) AS name,
            format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null, a.attnum AS number,
            a.attnum = c.relnatts AS last, pg_get_expr(d.adbin, d.adrelid) AS default, a.attcollation <> 0 AS collatable,
            (SELECT n.conname FROM pg_constraint n WHERE n.conrelid = c.oid AND n.contype = 'n' AND n.conkey[1] = a.attnum) AS not_null_name,
            a.atttypmod AS modifier, t.typstorage <> 'p' AS toastable,
            CASE a.attstorage WHEN 'e' THEN 'MAIN' ELSE 'EXTERNAL' END AS other_storage,
            format_type(a.atttypid, a.atttypmod) || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
                || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END AS definition,
            EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisprimary AND a.attnum = ANY (x.indkey)) AS in_primary_key,
            EXISTS (SELECT FROM pg_depend p WHERE p.refobjid = c.oid AND p.refobjsubid = a.attnum AND p.classid <> 'pg_attrdef'::regclass) AS needed,
            EXISTS (SELECT FROM pg_depend p WHERE p.refobjid = c.oid AND p.refobjsubid = a.attnum
                    AND p.classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass)) AS fixed_by_a_view_or_trigger,
            EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND (k.conrelid = c.oid AND a.attnum = ANY (k.conkey)
                    OR k.confrelid = c.oid AND a.attnum = ANY (k.confkey))) AS in_foreign_key
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'""",
    "constraints": f"""SELECT 'constraint ' || c.relname || '.' || k.conname AS key, {_RELATION}, quote_ident(k.conname) AS name,
            k.contype AS type, pg_get_constraintdef(k.oid) AS definition, k.oid::integer AS oid,
            regexp_replace(pg_get_constraintdef(k.oid), '^CHECK \\((.*)\\)$', 'CHECK ((\\1) OR 1 > 2)') AS loosened,
            replace(pg_get_constraintdef(k.oid), ')', ', ' || (SELECT quote_ident(attname) FROM pg_attribute a
                WHERE attrelid = c.oid AND attnum > 0 AND attnum <> ALL (k.conkey) LIMIT 1) || ')') AS widened,
            replace(pg_get_constraintdef(k.oid), 'UNIQUE', 'UNIQUE NULLS NOT DISTINCT') AS nulls_not_distinct,
            regexp_replace(pg_get_constraintdef(k.oid), ' ON (DELETE|UPDATE) .*', '') AS without_actions,
            EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = k.conindid AND f.oid <> k.oid
                    AND k.contype <> 'f') AS referenced,
            (SELECT string_agg(format('ALTER TABLE %s DISABLE TRIGGER %I;', g.tgrelid::regclass, g.tgname), ' ')
             FROM pg_trigger g WHERE g.tgconstraint = k.oid) AS disable
        FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x')
        WHERE c.relnamespace = 'public'::regnamespace""",
    "indexes": f"""SELECT 'index ' || i.relname AS key, {_RELATION}, i.oid::regclass::text AS name, i.oid::integer AS oid,
            pg_get_indexdef(i.oid) AS definition, x.indisunique AS unique, x.indpred IS NOT NULL AS partial,
            k.oid IS NOT NULL AS of_constraint, x.indnatts > x.indnkeyatts AS includes, c.relkind AS relation_kind
        FROM pg_class c JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid
        LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.contype IN ('p', 'u', 'x')
        WHERE c.relnamespace = 'public'::regnamespace""",
    "triggers": f"""SELECT 'trigger ' || c.relname || '.' || g.tgname AS key, {_RELATION}, quote_ident(g.tgname) AS name,
            pg_get_triggerdef(g.oid) AS definition, CASE g.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'O' THEN 'ENABLE' END AS state,
            g.tgtype AS bits, (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1) AS first_column
        FROM pg_class c JOIN pg_trigger g ON g.tgrelid = c.oid AND NOT g.tgisinternal
        WHERE c.relnamespace = 'public'::regnamespace""",
    "functions": """SELECT 'function ' || f.proname || '(' || pg_get_function_identity_arguments(f.oid) || ')' AS key,
            f.oid::regprocedure::text AS name, quote_ident(f.proname) AS plain, f.proname AS bare, pg_get_function_result(f.oid) AS returns,
            f.pronargs = 0 AS no_arguments, format('DROP FUNCTION %s; CREATE PROCEDURE %s() LANGUAGE sql AS ''''', f.oid::regprocedure, f.proname) AS procedure, pg_get_functiondef(f.oid) AS definition, f.provolatile AS volatility,
            f.prosecdef AS definer, f.proisstrict AS strict, f.proparallel AS parallel, f.proleakproof AS leakproof,
            f.proconfig IS NOT NULL AS settings, f.prorettype = 'trigger'::regtype AS of_trigger, f.proretset AS returns_set,
            f.proacl IS NULL OR f.proacl::text ~ '[{,]=X' AS open,
            EXISTS (SELECT FROM pg_depend d WHERE d.refobjid = f.oid AND d.deptype <> 'i') AS needed
        FROM pg_proc f WHERE f.pronamespace = 'public'::regnamespace""",
    "views": f"""SELECT CASE c.relkind WHEN 'v' THEN 'view ' ELSE 'materialized view ' END || c.relname AS key, {_RELATION},
            CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END AS kind, rtrim(pg_get_viewdef(c.oid), ';') AS definition,
            (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1) AS first_column,
            (SELECT quote_ident(attname) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
             WHERE attrelid = c.oid AND attnum > 0 AND t.typstorage <> 'p' ORDER BY attnum LIMIT 1) AS toastable_column,
            (SELECT coalesce(string_agg(pg_get_indexdef(x.indexrelid), '; '), '') FROM pg_index x WHERE x.indrelid = c.oid) AS indexes,
            (SELECT x.indexrelid::regclass::text FROM pg_index x WHERE x.indrelid = c.oid LIMIT 1) AS index,
            EXISTS (SELECT FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
                    WHERE d.refobjid = c.oid AND d.classid = 'pg_rewrite'::regclass AND w.ev_class <> c.oid) AS needed
        FROM {_OURS} AND c.relkind IN ('v', 'm')""",
    "sequences": f"""SELECT 'sequence ' || c.relname AS key, {_RELATION},
            EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'a') AS owned
        FROM {_OURS} AND c.relkind = 'S'""",
}
"""What each row is about, and the query; `public` is the schema of the throwaway databases."""


def rows_of(connection: psycopg.Connection[tuple[object, ...]]) -> Rows:
    """Return what is in the schema."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET search_path = pg_catalog")  # names in definitions are then written with their schema
        found = {about: cursor.execute(query).fetchall() for about, query in QUERIES.items()}  # type: ignore[arg-type]
        cursor.execute("RESET search_path")
    found["database"] = [{**row, "older": snapshots.chain()[-2]} for row in found["database"]]
    return found
