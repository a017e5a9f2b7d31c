"""The associated data of a column's values: one encoding for each value, and what is refused."""

import decimal
import struct
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kms_schema.keyring.formats.bound_data import bound_data
from kms_schema.keyring.formats.errors import BoundValueError

HERE = timezone(timedelta(hours=5, minutes=30))
NAIVE = datetime(2026, 1, 31, 12, 0, 0, 250)
AN_ID = uuid.UUID("0193a5b2-7c10-7000-8000-000000000001")

VALUES: list[tuple[object, bytes]] = [
    (None, b"n"),
    (False, b"b\0"),
    (True, b"b\1"),
    (0, b"i0"),
    (17, b"i17"),
    (-(2**63), b"i-9223372036854775808"),
    ("", b"s"),
    ("Schlüssel 鍵", b"sSchl\xc3\xbcssel \xe9\x8d\xb5"),
    (b"", b"x"),
    (b"\0\xff", b"x\0\xff"),
    (AN_ID, b"u" + AN_ID.bytes),
    (Decimal("1.50"), b"d15e-1"),
    (Decimal("-0.001"), b"d-1e-3"),
    (Decimal(1200), b"d12e2"),
    (Decimal("-0.00"), b"d0e0"),
    (date(2026, 1, 31), b"D2026-01-31"),
    (NAIVE, b"l2026-01-31T12:00:00.000250"),
    (NAIVE.replace(tzinfo=UTC), b"t2026-01-31T12:00:00.000250Z"),
    (NAIVE.replace(tzinfo=HERE), b"t2026-01-31T06:30:00.000250Z"),
    (datetime(9, 1, 1, tzinfo=UTC), b"t0009-01-01T00:00:00.000000Z"),
]


def field(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


@pytest.mark.parametrize(("value", "encoded"), VALUES, ids=repr)
def test_a_value_has_these_bytes(value: object, encoded: bytes) -> None:
    start = field(b"kms-schema/column/v1") + field(b"invoices") + field(b"iban")
    assert bound_data("invoices", "iban", {"id": value}) == start + field(b"id") + field(encoded)


def test_without_a_row_table_and_column_are_bound() -> None:
    expected = field(b"kms-schema/column/v1") + field("größe".encode()) + field(b"iban")
    assert bound_data("größe", "iban") == bound_data("größe", "iban", {}) == expected


@pytest.mark.parametrize(
    "equal",
    [
        [Decimal("1.5"), Decimal("1.50"), Decimal("1.5000000000"), Decimal("15e-1")],
        [Decimal(0), Decimal("-0"), Decimal("0.00"), Decimal("0e10")],
        [Decimal(100), Decimal("1e2"), Decimal("100.0")],
        [datetime(2026, 7, 1, 12, tzinfo=UTC), datetime(2026, 7, 1, 14, tzinfo=ZoneInfo("Europe/Berlin"))],
        [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))],
        [b"raw", bytearray(b"raw"), memoryview(b"raw")],
    ],
    ids=lambda equal: f"{equal[0]!r} and {len(equal) - 1} more",
)
def test_what_a_database_returns_is_what_was_inserted(equal: list[object]) -> None:
    assert len({bound_data("t", "c", {"a": value}) for value in equal}) == 1


def test_a_decimal_is_not_rounded_to_the_context() -> None:
    digits = "1234567890" * 10
    with decimal.localcontext(prec=3):
        assert bound_data("t", "c", {"a": Decimal(digits + "1")}).endswith(f"d{digits}1e0".encode())


def test_the_order_of_the_columns_does_not_matter() -> None:
    assert bound_data("t", "c", {"a": 1, "b": 2}) == bound_data("t", "c", {"b": 2, "a": 1})
    assert bound_data("t", "c", {"a": 1, "b": 2}) != bound_data("t", "c", {"a": 2, "b": 1})


VALUE = st.one_of(
    st.sampled_from([value for value, _ in VALUES]), st.integers(), st.text(max_size=3), st.binary(max_size=3)
)
NAME = st.text("abé", min_size=1, max_size=2)
"""Few names, so that two places are often equal in part."""
PLACE = st.tuples(NAME, NAME, st.dictionaries(NAME, VALUE, max_size=2))


def normal(place: tuple[str, str, Mapping[str, Any]]) -> object:
    """Return a place so that two are equal where their values are, with their types."""
    row = {name: (type(value), value) for name, value in place[2].items()}
    return *place[:2], row


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(one=PLACE, other=PLACE)
def test_different_places_have_different_bytes(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert (bound_data(*one) == bound_data(*other)) == (normal(one) == normal(other))


def test_different_types_and_borders_have_different_bytes() -> None:
    same_looks = [1, True, "1", b"1", Decimal(1), None, "", b"", "n", 0, False, date(2026, 1, 1), "2026-01-01"]
    same_looks += [datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)]
    assert len({bound_data("t", "c", {"a": value}) for value in same_looks}) == len(same_looks)
    places = [("ab", "c", {}), ("a", "bc", {}), ("a", "b", {"c": "d"}), ("a", "b", {"cd": ""}), ("a", "b", {"c": None})]
    assert len({bound_data(*place) for place in places}) == len(places)


class Colour(Enum):
    RED = "SECRET"


class Text(StrEnum):
    RED = "SECRET"


class Number(IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    "value",
    [
        1.5, float("nan"), Colour.RED, Text.RED, Number.ONE, time(12), timedelta(1), ["SECRET"], ("SECRET",),
        {"SECRET": 1}, object(), 1j, Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), "SECRET\ud800",
        10**5000, datetime(1, 1, 1, tzinfo=HERE), datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_others_are_refused_by_type_and_not_quoted(value: object) -> None:
    with pytest.raises(BoundValueError, match=r"^the bound column 'id' has an? ") as caught:
        bound_data("invoices", "iban", {"id": value})
    assert "SECRET" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("table", "column", "row"), [("", "c", {}), ("t", "", {}), ("t\ud800", "c", {}), ("t", "c", {"\ud800": 1})]
)
def test_names_are_text_and_not_empty(table: str, column: str, row: dict[str, object]) -> None:
    with pytest.raises(BoundValueError, match=r"^the name of a (table or |bound )column (is empty|has a surrogate)"):
        bound_data(table, column, row)
