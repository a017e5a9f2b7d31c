"""Functions: their bodies, how they run and as whom, and who may call them."""

import re

from tests.validator.mutations.kinds import Kind, Row
from tests.validator.mutations.postgresql.tables import OTHER

ALTER = "ALTER FUNCTION {name} "


def _function(name: str, change: object, **more: object) -> Kind:
    return Kind(f"function: {name}", "functions", change, **more)  # type: ignore[arg-type]


def _another_body(row: Row) -> str:
    return re.sub(r"(AS \$function\$)", r"\1 -- mutated\n", row["definition"], count=1)


def _emptied(row: Row) -> str:
    head = row["definition"].partition("AS $function$")[0]
    return f"{head} AS $function$BEGIN RETURN NULL; END$function$"


def _another_language(row: Row) -> str:
    return f"CREATE OR REPLACE FUNCTION {row['name']} RETURNS {row['returns']} LANGUAGE internal AS 'now'"


FUNCTIONS = (
    _function("dropped", "DROP FUNCTION {name} CASCADE"),
    _function("renamed", ALTER + "RENAME TO mutated"),
    _function("moved to another schema", "CREATE SCHEMA mutated; " + ALTER + "SET SCHEMA mutated"),
    _function("another body", _another_body),
    _function("emptied", _emptied, where=lambda row: row["of_trigger"]),
    _function("another language", _another_language, where=lambda row: not row["of_trigger"] and row["no_arguments"]),
    _function("IMMUTABLE", ALTER + "IMMUTABLE", where=lambda row: row["volatility"] != "i"),
    _function("STABLE", ALTER + "STABLE", where=lambda row: row["volatility"] != "s"),
    _function("VOLATILE", ALTER + "VOLATILE", where=lambda row: row["volatility"] != "v"),
    _function("SECURITY DEFINER", ALTER + "SECURITY DEFINER", where=lambda row: not row["definer"]),
    _function("SECURITY INVOKER", ALTER + "SECURITY INVOKER", where=lambda row: row["definer"]),
    _function("STRICT", ALTER + "STRICT", where=lambda row: not row["strict"]),
    _function("not STRICT", ALTER + "CALLED ON NULL INPUT", where=lambda row: row["strict"]),
    _function("PARALLEL SAFE", ALTER + "PARALLEL SAFE", where=lambda row: row["parallel"] != "s"),
    _function("PARALLEL UNSAFE", ALTER + "PARALLEL UNSAFE", where=lambda row: row["parallel"] != "u"),
    _function("LEAKPROOF", ALTER + "LEAKPROOF", where=lambda row: not row["leakproof"]),
    _function("cost", ALTER + "COST 7"),
    _function("support for the planner", ALTER + "SUPPORT generate_series_int4_support"),
    _function("rows", ALTER + "ROWS 7", where=lambda row: row["returns_set"]),
    _function("without settings", ALTER + "RESET ALL", where=lambda row: row["settings"]),
    _function("another search_path", ALTER + "SET search_path = public"),
    _function("a setting more", ALTER + "SET session_replication_role = replica"),
    _function(
        "overloaded",
        "CREATE FUNCTION public.{plain}(mutated point) RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'",
        names="function {bare}(mutated point)",
    ),
    _function(
        "overloaded by a procedure",
        "CREATE PROCEDURE public.{plain}(mutated point) LANGUAGE sql AS ''",
        names="procedure {bare}({procedure_in}mutated point)",
    ),
    _function("goes with an extension", ALTER + "DEPENDS ON EXTENSION plpgsql"),
    _function("member of an extension", "ALTER EXTENSION plpgsql ADD FUNCTION {name}"),
    _function("comment", "COMMENT ON FUNCTION {name} IS 'mutated'", severity="warning"),
    _function("owner", ALTER + f"OWNER TO {OTHER}"),
    _function("granted", f"GRANT EXECUTE ON FUNCTION {{name}} TO {OTHER}"),
    _function("for everyone", "GRANT EXECUTE ON FUNCTION {name} TO PUBLIC", where=lambda row: not row["open"]),
    _function("for nobody", "REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC", where=lambda row: row["open"]),
    _function("taken from the owner", "REVOKE EXECUTE ON FUNCTION {name} FROM CURRENT_USER"),
)
