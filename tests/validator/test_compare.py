"""Comparing is plain dictionaries: each cause once, and what follows from it under it."""

import pytest

from kms_schema.snapshots import Objects
from kms_schema.validator.catalog.attributes import kind_and_name, names_of
from kms_schema.validator.catalog.grants import grants
from kms_schema.validator.catalog.normalized_expressions import normalized
from kms_schema.validator.catalog.sqlite_ddl import one_spaced, split_table
from kms_schema.validator.diff.compare import Difference, Kind, compare, fill_in, usual_owner
from kms_schema.validator.diff.findings import codes_of
from kms_schema.validator.rules import RULES
from tests.validator.example_objects import changed, differences, schema, without
from tools.snapshot_files import symbolic


def test_the_same_is_no_difference() -> None:
    assert differences(schema()) == []


def test_what_an_object_needs_is_not_compared() -> None:
    assert differences(changed("view due", needs=[])) == []


def test_a_missing_table_is_one_difference_with_all_that_went_with_it() -> None:
    (difference,) = compare(schema(), {"function guard()": schema()["function guard()"]})
    assert (difference.key, difference.kind) == ("table keys", Kind.MISSING)
    assert difference.also == tuple(sorted(schema().keys() - {"function guard()", "table keys"}))


def test_a_missing_function_takes_its_trigger_along() -> None:
    (difference,) = compare(schema(), without("function guard()", "trigger keys.guard"))
    assert (difference.key, difference.also) == ("function guard()", ("trigger keys.guard",))


def test_what_is_missing_by_itself_is_a_difference_of_its_own() -> None:
    assert differences(without("constraint keys.pk", "index pk", "view due")) == [
        ("view due", Kind.MISSING),
        ("constraint keys.pk", Kind.MISSING),
    ]


def test_an_extra_column_takes_its_constraint_along() -> None:
    extra: Objects = {
        "column keys.x": {"table": "keys", "needs": ["table keys"], "type": "int"},
        "constraint keys.x_key": {"table": "keys", "needs": ["column keys.x"]},
        "index x_key": {"table": "keys", "needs": ["constraint keys.x_key"]},
    }
    (difference,) = compare(schema(), schema() | extra)
    assert (difference.key, difference.kind) == ("column keys.x", Kind.UNEXPECTED)
    assert difference.also == ("constraint keys.x_key", "index x_key")


def test_a_changed_type_explains_what_is_rendered_with_it() -> None:
    actual = changed("column keys.status", type="varchar")
    actual["view due"] = {**actual["view due"], "definition": "SELECT (status)::text FROM keys"}
    (difference,) = compare(schema(), actual)
    assert (difference.key, difference.also) == ("column keys.status", ("view due",))


def test_a_changed_default_explains_nothing() -> None:
    actual = changed("column keys.status", default="'x'")
    actual["view due"] = {**actual["view due"], "definition": "SELECT 1"}
    assert differences(actual) == [("view due", Kind.CHANGED), ("column keys.status", Kind.CHANGED)]


def test_a_trigger_switched_off_is_not_explained_by_its_changed_function() -> None:
    actual = changed("function guard()", arguments="x int")
    actual["trigger keys.guard"] = {**actual["trigger keys.guard"], "enabled": "DISABLED"}
    assert len(differences(actual)) == 2


def test_a_renamed_column_is_one_difference() -> None:
    actual = without("column keys.status")
    actual["column keys.state"] = schema()["column keys.status"]
    actual["view due"] = {**actual["view due"], "definition": "SELECT state FROM keys", "needs": ["column keys.state"]}
    (difference,) = compare(schema(), actual)
    assert difference.kind is Kind.RENAMED
    assert difference.attributes == {"name": ("keys.status", "keys.state")}
    assert difference.also == ("view due",)


def test_an_index_that_was_renamed_with_its_constraint_is_said_once() -> None:
    actual = without("constraint keys.pk", "index pk")
    actual["constraint keys.z"] = schema()["constraint keys.pk"]
    actual["index z"] = schema()["index pk"]
    (difference,) = compare(schema(), actual)
    assert (difference.key, difference.also) == ("constraint keys.pk", ("index pk",))


def test_a_trigger_that_has_the_new_name_of_a_column_is_a_difference_of_its_own() -> None:
    """Its fix was a KeyError of the remediation, which took it for what follows from the column."""
    actual = without("column keys.status", "trigger keys.guard")
    actual["column keys.z"] = schema()["column keys.status"]
    actual["trigger keys.z"] = schema()["trigger keys.guard"]
    expected = changed("trigger keys.guard", needs=["column keys.status"])
    renamed = {(each.key, each.kind) for each in compare(expected, actual)}
    assert {("column keys.status", Kind.RENAMED), ("trigger keys.guard", Kind.RENAMED)} <= renamed


def test_the_order_of_columns_counts_and_a_missing_one_does_not_shift_it() -> None:
    assert differences(changed("table keys", columns=["status", "id"])) == [("table keys", Kind.CHANGED)]
    actual = without("column keys.id", "constraint keys.pk", "index pk")
    actual["table keys"] = {**actual["table keys"], "columns": ["status"]}
    assert differences(actual) == [("column keys.id", Kind.MISSING)]


def test_objects_that_need_each_other_have_one_cause() -> None:
    expected: Objects = {
        "column keys.n": {"needs": ["sequence n_seq"]},
        "sequence n_seq": {"needs": ["column keys.n"]},
    }
    (difference,) = compare(expected, {})
    assert (difference.key, difference.also) == ("column keys.n", ("sequence n_seq",))


def test_an_owner_that_changed_with_the_table_is_said_once() -> None:
    actual = changed("table keys", owner="other")
    expected = schema()
    for objects in (expected, actual):
        objects["sequence n_seq"] = {"owner": objects["table keys"]["owner"], "needs": ["column keys.id"]}
    (difference,) = compare(expected, actual)
    assert (difference.key, difference.also) == ("table keys", ("sequence n_seq",))


def test_the_usual_owner_is_the_owner_of_most() -> None:
    assert usual_owner(changed("table keys", owner="other")) == "me"
    assert usual_owner({}) == ""


def test_schema_and_owner_are_filled_in_and_taken_out_again() -> None:
    concrete: Objects = {
        "function f()": {
            "body": "SELECT 'public.t'::regclass, 'public', republic.x, k.public. -- the public. One",
            "owner": "me",
            "settings": ["search_path=pg_catalog, public, pg_temp"],
            "grants": ["- me: SELECT", "- PUBLIC: EXECUTE"],
            "needs": ["table t"],
        }
    }
    symbols = symbolic(concrete, "me")
    assert symbols["function f()"]["body"].startswith(
        "SELECT '{schema}.t'::regclass, '{schema}', republic.x, k.public."
    )
    assert symbols["function f()"]["owner"] == "{owner}"
    assert fill_in(symbols, "public", "me") == concrete
    assert fill_in(symbols, "My Keys", "you")["function f()"]["settings"] == [
        'search_path=pg_catalog, "My Keys", pg_temp'
    ]


@pytest.mark.parametrize(
    ("acl", "lines"),
    [
        (None, None),
        (["me=arwdDxt/me"], None),
        (["me=arwdDxt/me", "app=ar/me"], ["+ app: INSERT, SELECT"]),
        (["me=arwdDxt/me", "=r/me"], ["+ PUBLIC: SELECT"]),
        (["me=arw/me"], ["- me: DELETE, REFERENCES, TRIGGER, TRUNCATE"]),
        (["me=arwdDxt/me", "app=r*/me"], ["+ app: SELECT WITH GRANT OPTION"]),
        (["me=arwdDxt/me", '"a ""b""=/c"=r/me'], ['+ "a ""b""=/c": SELECT']),
        (["me=arwdDxt/me", "PUBLIC=r/me", "=a/me"], ['+ "PUBLIC": SELECT', "+ PUBLIC: INSERT"]),
        ([], ["- me: DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE"]),
    ],
)
def test_privileges_are_differences_from_the_default(acl: list[str] | None, lines: list[str] | None) -> None:
    assert grants(acl, ["me=arwdDxt/me"], None) == lines


def test_privileges_on_columns_name_the_column() -> None:
    assert grants(None, None, {"status": ["app=w/me"]}) == ["+ app: UPDATE (status)"]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (
            "(x)::text = ANY ((ARRAY['a)'::character varying, 'it''s'::character varying])::text[])",
            "(x)::text = ANY (ARRAY[('a)'::character varying)::text, ('it''s'::character varying)::text])",
        ),
        ("CHECK ((((a >= 1) AND (a <= 2)) AND (b IS NULL)))", "CHECK (((a >= 1) AND (a <= 2) AND (b IS NULL)))"),
        ("((((a) OR (b)) OR (c)) AND (d))", "(((a) OR (b) OR (c)) AND (d))"),
        ("(((a) OR (b)) AND (c))", "(((a) OR (b)) AND (c))"),
        ("((a) AND ((b) AND (c)))", "((a) AND ((b) AND (c)))"),
        ("((x = '((a) AND (b)) AND (c)'))", "((x = '((a) AND (b)) AND (c)'))"),
        ("(timezone('UTC'::text, t.\"at\"))::date", "((t.\"at\" AT TIME ZONE 'UTC'::text))::date"),
        ("other.timezone('UTC'::text, at)", "other.timezone('UTC'::text, at)"),
        ("my_timezone('UTC'::text, at)", "my_timezone('UTC'::text, at)"),
        ("(\"substring\"(data, 1, 1) = 'x')", "(SUBSTRING(data FROM 1 FOR 1) = 'x')"),
        ('other."substring"(data, 1, 1)', 'other."substring"(data, 1, 1)'),
    ],
)
def test_renderings_are_settled_and_stay_so(first: str, then: str) -> None:
    assert normalized(first) == then
    assert normalized(then) == then


def test_a_table_is_taken_apart_without_losing_a_word() -> None:
    text = split_table(
        """CREATE TABLE "keys" (  -- a comment, with a comma
            id   CHAR(32) DEFAULT (lower(hex(randomblob(16)))) NOT NULL,
            "the status" TEXT DEFAULT 'a,b)',
            CONSTRAINT pk PRIMARY KEY (id),
            CHECK (id <> 'x'), /* more */ UNIQUE (id, "the status")
        ) WITHOUT   rowid"""
    )
    assert text.columns == {
        "id": "CHAR(32) DEFAULT (lower(hex(randomblob(16)))) NOT NULL",
        "the status": "TEXT DEFAULT 'a,b)'",
    }
    assert text.constraints["pk"] == "PRIMARY KEY (id)"
    assert text.constraints["(CHECK (id <> 'x'))"] == "CHECK (id <> 'x')"
    assert len(text.constraints) == 3
    assert text.options == "WITHOUT ROWID"


def test_two_constraints_of_one_name_are_two() -> None:
    text = split_table("CREATE TABLE t (a, CONSTRAINT c CHECK (a > 1), CONSTRAINT c CHECK (a > 2))")
    assert text.constraints == {"c": "CHECK (a > 1)", "c again": "CHECK (a > 2)"}


def test_layout_is_no_difference_and_quoted_space_is() -> None:
    assert one_spaced("SELECT\n   1,\t'a  b'") == "SELECT 1, 'a  b'"
    assert one_spaced("SELECT 1 -- why\n   , 2") == "SELECT 1 -- why\n, 2"


def test_keys_are_taken_apart_and_name_what_is_ours() -> None:
    assert kind_and_name("materialized view dashboard") == ("materialized view", "dashboard")
    assert kind_and_name("child table public.x") == ("child table", "public.x")
    names = names_of(schema(), {"sequence s": {}, "function guard(n integer)": {}})
    assert (names.relations, names.functions, names.sequences) == (("due", "keys"), ("guard",), ("s",))


@pytest.mark.parametrize("kind", Kind)
def test_every_difference_of_every_kind_of_object_has_a_code(kind: Kind) -> None:
    for key in [*schema(), "sequence s", "rule t.r", "policy t.p", "child table a.b", "statistics s"]:
        facts = {"owner": (1, 2)} if kind is Kind.CHANGED else {}
        assert codes_of(Difference(key, kind, facts)).keys() <= RULES.keys()


@pytest.mark.parametrize(
    ("key", "attribute", "code"),
    [
        ("index uq_keys", "tablespace", "KMS306"),
        ("table keys", "owner", "KMS301"),
        ("index uq_keys", "ready", "KMS135"),
        ("trigger keys.guard", "enabled", "KMS145"),
    ],
)
def test_an_attribute_with_a_code_of_its_own_has_it_beside_the_code_of_the_object(
    key: str, attribute: str, code: str
) -> None:
    difference = Difference(key, Kind.CHANGED, {attribute: (1, 2), "definition": (1, 2)})
    changed = next(other for other in codes_of(Difference(key, Kind.CHANGED, {"definition": (1, 2)})))
    assert codes_of(difference) == {code: {attribute: (1, 2)}, changed: {"definition": (1, 2)}}
