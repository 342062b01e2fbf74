"""Filters as SQL: the text that is copied gives the rows of the one that is run, whatever was typed."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from small_screening import add_screening
from typer.testing import CliRunner

from crystalforge.catalog.query import open_catalog
from crystalforge.catalog.tables import TABLES
from crystalforge.cli.app import app
from crystalforge.errors import QueryError, UsageError
from crystalforge.explore.filters import EVERYTHING, Filters, Source
from crystalforge.explore.live_catalog import LiveCatalog
from crystalforge.explore.pages import page_files
from crystalforge.explore.parameters import FILTERS, LONGEST_TEXT, NAME, PAGE, read_filters, read_page, refuse_unknown
from crystalforge.explore.questions import (
    FAR,
    LISTED,
    Page,
    Question,
    copied_sql,
    count_question,
    export_command,
    facet_question,
    rows_question,
    sql_literal,
)
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home

EACH = [
    Filters(source=Source.MATERIALS),
    Filters(elements=("Li", "Si")),
    Filters(elements=("Li", "Al", "Si"), only=True),
    Filters(without=("Pb",)),
    Filters(formula="SiAlLi"),
    Filters(formula="ABX"),
    Filters(space_groups=(225, 1)),
    Filters(max_energy_above_hull=-1e-300),
    Filters(screened=True),
    Filters(covered=True),
    Filters(computed=True),
    Filters(new=True),
    Filters(one_of_each=True),
    Filters(one_of_each=True, formula="ABX", where="density > 1"),
    Filters(min_atoms=3, max_atoms=3),
    Filters(origin="o'lder -- \\ \" $source"),
    Filters(where="density > 1 OR formula = 'a''b' -- $not_a_parameter"),
]


def test_every_filter_has_a_parameter_and_is_tried_here() -> None:
    names = {field.name for field in fields(Filters)}
    assert {parameter.name for parameter in FILTERS} == names
    assert {name for one in EACH for name in names if getattr(one, name) != getattr(EVERYTHING, name)} == names
    assert {parameter.name for parameter in PAGE} == {field.name for field in fields(Page)}
    assert set(LISTED) <= set(TABLES["crystals"].schema.names)


def test_the_copied_text_gives_the_rows_of_the_bound_one(catalog_home: Home) -> None:
    with open_catalog(catalog_home, kept=["crystals"]) as catalog:
        counts = []
        for filters in EACH:
            question = rows_question(filters, Page())
            bound = catalog.query(question.sql, question.values)
            assert catalog.query(copied_sql(filters, Page(), LISTED)) == bound, filters
            counts.append(bound.num_rows)
    assert sum(count > 0 for count in counts) >= 8, counts


def test_one_of_each_is_the_best_of_its_formula_and_group(catalog_home: Home) -> None:
    """All have one formula; the second by name of group 225 was relaxed, and has an energy."""
    filters, page = Filters(one_of_each=True), Page(limit=500)
    every = {row["source_id"]: row for row in _rows(catalog_home, rows_question(EVERYTHING, page))}
    second = sorted(name for name, row in every.items() if row["space_group_number"] == 225)[1]
    crystal = {"source_id": second, "crystal_id": every[second]["crystal_id"], "energy_above_hull": 0.3}
    add_screening(catalog_home, "screened", [crystal])
    best = {row["space_group_number"]: row["source_id"] for row in _rows(catalog_home, rows_question(filters, page))}
    first = min(name for name, row in every.items() if row["space_group_number"] == 62)
    assert best == {225: second, 62: first}
    assert len(every) > len(best)
    assert _rows(catalog_home, count_question(filters)) == [{"n": 2}]
    elements = _rows(catalog_home, facet_question(filters, "unnest(list_distinct(elements))"))
    assert {row["value"]: row["n"] for row in elements} == {"Li": 2, "Al": 2, "Si": 2}
    assert _rows(catalog_home, rows_question(filters, Page(offset=FAR))) == []


def _rows(home: Home, question: Question) -> list[dict[str, Any]]:
    with open_catalog(home, kept=["crystals"]) as catalog:
        rows: list[dict[str, Any]] = catalog.query(question.sql, question.values).to_pylist()
    return rows


def test_the_command_exports_one_of_each(candidates: tuple[Home, GenerationPlan], tmp_path: Path) -> None:
    filters = Filters(one_of_each=True, space_groups=(221,))
    command = shlex.split(export_command(filters, Page(), candidates[0].path))
    result = CliRunner().invoke(app, [*command[1:], "--dry-run", "--json"])
    assert result.exit_code == 0, result.output
    with open_catalog(candidates[0]) as catalog:
        sql = (
            "SELECT count(DISTINCT reduced_formula) AS n FROM crystals "
            "WHERE source = 'candidates' AND space_group_number = 221"
        )
        (n,) = catalog.query(sql)["n"].to_pylist()
    assert json.loads(result.stdout)["what"].startswith(f"Would write {n:,} crystals of crystals")


def test_a_page_far_behind_has_the_rows_that_its_copied_text_gives(catalog_home: Home) -> None:
    with open_catalog(catalog_home, kept=["crystals"]) as catalog:
        few = Page(sort="density", descending=True, limit=3, offset=2)
        near, far = rows_question(EVERYTHING, few), rows_question(EVERYTHING, replace(few, offset=FAR))
        moved = Question(far.sql.replace(f"OFFSET {FAR}", "OFFSET 2"), far.values)
        assert moved.sql != near.sql
        assert catalog.query(moved.sql, moved.values) == catalog.query(near.sql, near.values)
        assert catalog.query(far.sql, far.values).num_rows == 0


def test_the_parameters_read_back_what_the_filters_are() -> None:
    pairs = [
        ("elements", "Li, O,Li"),
        ("only", "1"),
        ("space_groups", "225 62"),
        ("max_atoms", "9"),
        ("where", " a < 5 "),
    ]
    expected = Filters(elements=("Li", "O"), only=True, space_groups=(225, 62), max_atoms=9, where="a < 5")
    assert read_filters([*pairs, ("formula", ""), ("sort", "density")]) == expected
    assert read_page([("sort", "density"), ("descending", "1"), ("offset", "50")]) == Page("density", True, 50, 50)


@pytest.mark.parametrize("parameter", [*FILTERS, *PAGE, *NAME], ids=lambda one: one.name)
def test_each_example_is_right_and_nonsense_is_refused_or_taken_as_a_text(parameter: object) -> None:
    assert parameter.read(parameter.example) is not None  # type: ignore[attr-defined]
    for nonsense in ("'; DROP TABLE samples; --", "\u0663", "1e400"):
        try:
            value = parameter.read(nonsense)  # type: ignore[attr-defined]
        except UsageError as error:
            assert "expected" in str(error) or "no element" in str(error)
        else:
            assert value == nonsense


def test_a_text_is_never_more_than_a_text() -> None:
    assert sql_literal("it's") == "'it''s'"
    assert sql_literal(["a'b", "c"]) == "['a''b', 'c']"
    assert sql_literal(0.1) == "0.1"
    with pytest.raises(UsageError, match="at most 4000 characters"):
        refuse_unknown([("where", "x" * (LONGEST_TEXT + 1))], FILTERS)


def test_a_filter_that_is_taken_back_asks_for_all() -> None:
    for filters in EACH:
        for field in fields(Filters):
            assert getattr(filters.without_filter(field.name), field.name) == getattr(EVERYTHING, field.name)
    assert replace(EACH[1], elements=()) == EVERYTHING


def test_a_query_that_dies_leaves_the_snapshot_alive(catalog_home: Home) -> None:
    catalog = LiveCatalog(catalog_home, memory_limit="200MB")
    try:
        everything = rows_question(EVERYTHING, Page(limit=500))
        before = catalog.ask(everything)
        with pytest.raises(QueryError):
            catalog.query("SELECT list_sum(range(1000000000))")
        assert catalog.ask(everything) == before
    finally:
        catalog.close()


def test_a_home_that_does_not_fit_is_told_what_to_give(bundled_home: Home) -> None:
    with pytest.raises(QueryError, match=r"need more memory than 3MB.*Give more with --memory-limit"):
        LiveCatalog(bundled_home, memory_limit="3MB")


def test_the_page_is_whole_and_refers_to_nothing_else() -> None:
    """Every file that a file names is there, none is asked of a network, and no script stands in the page itself."""
    files = page_files()
    assert {"/", "/page/main.js", "/page/viewer.js", "/page/viewer.css", "/page/theme.css"} <= files.keys()
    ours = {name: file.content.decode() for name, file in files.items() if "viewer" not in name and ".svg" not in name}
    for name, text in ours.items():
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), name
        assert "https://" not in text, name
        assert "innerHTML" not in text, name
    html = ours["/"]
    named = {part.partition('"')[0] for sign in ('href="', 'src="') for part in html.split(sign)[1:]}
    assert {name for name in named if name.startswith("/page/")} <= files.keys()
    assert all(name.startswith(("/page/", "/api", "#")) for name in named)
    assert "<script>" not in html and "onclick=" not in html and "style=" not in html
    imported = {part.partition('"')[0] for text in ours.values() for part in text.split('from "./')[1:]}
    assert {Path(f"/page/{name}").as_posix() for name in imported} <= files.keys()
