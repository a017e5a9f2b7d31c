"""The results of a run, as table, document, page and chart."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from benchmarks.chart import LEFT, RIGHT, chart
from benchmarks.report import Result, claims, document, figure, plans, section, sizes, table, write_page
from benchmarks.targets import TARGETS, Curve, Limit, Measured, Sizes, Target, over
from benchmarks.timing import Times
from support.engines.programs import REPOSITORY

RUN: dict[str, Any] = {
    "command": "python scripts/benchmark.py --scale full",
    "date": "2026-03-01",
    "commit": "0123abc",
    "minutes": 61.25,
    "scale": "full",
    "machine": {"system": "Linux x86_64", "processor": "A processor", "cores": 2, "memory_mb": 24_576},
    "python": "3.11.7",
    "server": {"name": "PostgreSQL", "version": "18.6", "settings": {"fsync": "on", "shared_buffers": "2GB"}},
}
P2 = next(target for target in TARGETS if target.number == "P2")
TIMES = {100: Times((2.0, 1.0, 9.0)), 10_000: Times((4.0, 5.0, 3.0))}
CURVE = Curve.of("refresh", TIMES)
REFRESHED = Measured("refresh", 2.0, Limit(1.2), over(TIMES), curve=CURVE)


@pytest.mark.parametrize(
    ("measured", "cells"),
    [
        (Measured("it", 0.5, Limit(0.5)), ("≤ 0.5", "0.500", "yes")),
        (Measured("it", 0.51, Limit(0.5)), ("≤ 0.5", "0.510", "**no**")),
        (Measured("it", 0.7, Limit(0.7, at_least=True)), ("≥ 0.7", "0.700", "yes")),
        (Measured("it", 0.69, Limit(0.7, at_least=True)), ("≥ 0.7", "0.690", "**no**")),
        (Measured("it", 64.5, Limit(64, unit=" MB")), ("≤ 64 MB", "64.50 MB", "**no**")),
        (Measured("it", 512.3, Limit(400, at_least=True)), ("≥ 400", "512", "yes")),
        (Measured("it", 1_500.0, None, unit=" ms"), ("", "1500 ms", "")),
        (Measured("it", 5.0, Limit(3, at_least=True), plan="idx_a"), ("≥ 3", "5.00", "yes")),
        (Measured("it", 5.0, Limit(3, at_least=True), plan="no index", as_planned=False),
         ("≥ 3", "5.00", "**no**")),
    ],
)  # fmt: skip
def test_a_row_has_target_figure_and_whether_it_is_met(measured: Measured, cells: tuple[str, ...]) -> None:
    last = table([(P2, measured)]).splitlines()[-1]
    assert [cell.strip() for cell in last.strip("|").split("|")] == ["P2", "it", *cells]


def test_plans_are_listed_and_unexpected_ones_are_marked() -> None:
    slow = Measured("slow", 1.0, None, plan="no index", as_planned=False)
    assert plans([(P2, Measured("it", 1.0, None, plan="idx_a")), (P2, REFRESHED), (P2, slow)]) == (
        "- P2, it: idx_a\n- P2, slow: **not as planned:** no index"
    )
    assert "- P2, slow" in section([(P2, slow)], RUN, None)


def test_the_table_is_as_wide_in_every_line() -> None:
    lines = table([(P2, REFRESHED), (TARGETS[-1], Measured("something longer than that", 0.1, None))]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 4


def test_the_document_has_every_time_and_the_description_of_the_run() -> None:
    read = json.loads(json.dumps(document([(P2, REFRESHED)], RUN)))
    assert read["server"]["settings"]["fsync"] == "on"
    assert (read["commit"], read["machine"]["cores"]) == ("0123abc", 2)
    (result,) = read["results"]
    assert result["milliseconds"] == {"over 100": [2.0, 1.0, 9.0], "over 10000": [4.0, 5.0, 3.0]}
    assert (result["target"], result["limit"], result["measured"], result["met"]) == ("P2", "≤ 1.2", 2.0, False)
    assert result["curve"] == {"name": "refresh", "milliseconds": {"100": 2.0, "10000": 4.0}}


def test_a_page_has_the_machine(tmp_path: Path) -> None:
    text = section([(P2, REFRESHED)], RUN, "performance.svg")
    for expected in ("commit 0123abc", "PostgreSQL 18.6", "2 cores", "24 GB", "`fsync=on`", "61.2 minutes"):
        assert expected in text
    assert text.endswith("(performance.svg)")
    page = tmp_path / "page.md"
    write_page(page, text, "PostgreSQL")
    assert page.read_text(encoding="utf-8") == f"# Measurements\n\n{text}\n"


def of(number: str, *results: Measured) -> list[Result]:
    return [(next(target for target in TARGETS if target.number == number), result) for result in results]


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (of("P1", Measured("dashboard", 0.84, Limit(5)), Measured("by id", 2.04, Limit(5)),
            Measured("worst", 1.0, Limit(5)), Measured("raw", 900, None)),
         "95 of 100 reads of the dashboard in 0.8 ms, of the slower page of the health monitor in 2.0 ms"),
        (of("P5", Measured("seal", 1.0, Limit(1.2), curve=Curve("seal", {10_000_000: 11.0, 100_000: 10.0}))),
         "to seal a thousand more takes 10.0 ms among 100 000, 11.0 ms among 10 000 000"),
        (of("P8", *(Measured("q", value, Limit(3, at_least=True)) for value in (2.5, 4, 1_500)),
            Measured("q", 1.0, Limit(0.9, at_least=True))),
         "2 of the 3 queries whose index came after 004: 3 times and more; half of them 4 times and more; the least"
         " 2.5 times"),
        (of("P9", *(Measured("i", value, Limit(0.4)) for value in (0.5, 0.1, 0.2))),
         "80 % by half of the 3 and more; the least 50 %"),
        (of("P9", Measured("i", 0.1, Limit(0.4)),
            Measured("i", 0.33, None, sizes=Sizes("key_masters", 10, 300, {"pk": 66, "idx": 33}))),
         "33 % of `key_masters`"),
    ],
)  # fmt: skip
def test_claims_are_listed_with_measurements(results: list[Result], words: str) -> None:
    lines = claims(results, RUN).splitlines()
    assert any(f"| {words} | PostgreSQL 18.6 | `python scripts/benchmark.py --only P" in line for line in lines)
    assert claims(of("P2", REFRESHED), RUN) == ""


def test_sizes_of_rows_are_listed_by_index_the_largest_first() -> None:
    found = of("P9", Measured("i", 0.33, None, sizes=Sizes("key_masters", 1_000, 300.4, {"idx": 3.25, "pk": 66})))
    assert "| `key_masters` | 300 | 69 | `pk` 66, `idx` 3.2 | 1 000 |" in sizes(found).splitlines()
    assert sizes(of("P2", REFRESHED)) == ""
    trail = [Sizes("key_audit_logs", 512, 200, {"pk": 30}), Sizes("key_audit_leaves", 2, 8_000, {"pk": 50})]
    said = sizes(of("P9", *(Measured("i", 0.1, None, sizes=each) for each in trail))).splitlines()[-1]
    assert said.startswith("A million entries a year take 249 MB")  # 230 bytes each, and 8050 for every 256
    assert json.loads(json.dumps(document(found, RUN)))["results"][0]["bytes"]["in_indexes"]["pk"] == 66


def test_a_page_that_has_a_place_for_it_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    before, after = "<!-- measured on SQLite -->\nold\n<!-- end -->\n", "after\n<!-- end -->\n"
    page.write_text(f"{before}<!-- measured on PostgreSQL -->\nold\n<!-- end -->\n{after}", encoding="utf-8")
    write_page(page, "a \\1 new one", "PostgreSQL")
    assert page.read_text(encoding="utf-8") == (
        f"{before}<!-- measured on PostgreSQL -->\na \\1 new one\n<!-- end -->\n{after}"
    )


def test_a_percentile_is_of_the_nearest_rank() -> None:
    assert Times(tuple(float(number) for number in range(1, 101))).p95 == 95
    assert Times((3.0, 1.0)).p95 == 3
    assert figure(Measured("it", 99.994, None, unit=" ms")) == "99.99 ms"


def positions(picture: str, kind: str) -> list[list[tuple[float, float]]]:
    svg = etree.fromstring(picture)
    lines = svg.iter(f"{{http://www.w3.org/2000/svg}}{kind}")
    points = [line.attrib["points"].split() for line in lines if "points" in line.attrib]
    return [[(float(x), float(y)) for x, y in (point.split(",") for point in each)] for each in points]


def test_the_chart_is_over_decades_and_a_cost_that_grows_tenfold_climbs_as_far_each_time() -> None:
    picture = chart([Curve("it", {100: 1.0, 1_000: 10.0, 10_000: 100.0}), Curve("flat", {100: 5.0, 10_000: 5.0})])
    climbing, flat = positions(picture, "polyline")
    assert [x for x, _ in climbing] == [LEFT, (LEFT + RIGHT) / 2, RIGHT]
    (_, first), (_, second), (_, third) = climbing
    assert first - second == pytest.approx(second - third, abs=0.2)
    assert first > second > third, "up is more"
    assert len({y for _, y in flat}) == 1


def test_the_chart_labels_each_curve_with_its_last_cost_and_has_dark_colours() -> None:
    picture = chart([Curve("read <it>", {100: 0.25, 1_000: 0.5}), Curve("add", {100: 9.0, 1_000: 2_500.0})])
    assert "read &lt;it&gt;, 0.50 ms" in picture
    assert "add, 2.5 s" in picture
    assert "@media (prefers-color-scheme: dark)" in picture
    assert {"10 k", "100", "1 k"} & set(etree.fromstring(picture).itertext()) >= {"100", "1 k"}


def test_names_of_curves_that_end_together_do_not_cover_each_other() -> None:
    curves = [Curve(name, {100: 1.0, 1_000: 1.0 + number / 1_000}) for number, name in enumerate("abcde")]
    svg = etree.fromstring(chart(curves))
    texts = svg.findall(".//{*}g/{*}text")
    heights = sorted(float(text.attrib["y"]) for text in texts)
    assert len(heights) == 5
    assert all(after - before >= 15 for before, after in pairwise(heights))


def test_a_chart_without_curves_has_a_message() -> None:
    assert "None of the targets" in chart([])


def test_a_history_of_one_length_can_be_drawn() -> None:
    ((place,),) = positions(chart([Curve("it", {1_000: 2.0})]), "polyline")
    assert place[0] == LEFT


def test_every_target_of_the_contract_has_its_measurement() -> None:
    assert [target.number for target in TARGETS] == [f"P{number}" for number in (*range(1, 17), 19, 20, 21)]
    for target in TARGETS:
        assert isinstance(target, Target)
        assert (REPOSITORY / f"{target.module.replace('.', '/')}.py").is_file()
