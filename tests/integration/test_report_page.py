"""The report in a real browser: it draws, turns, answers, complains of nothing, and asks nothing of a network."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import Result
from pymatgen.core import Structure
from real_browser import Watched, browser, watched_page
from small_report import add_calculations, add_screenings
from typer.testing import CliRunner

from crystalforge.catalog.query import open_catalog
from crystalforge.cli.app import app
from crystalforge.crystals import to_structure
from crystalforge.evaluation.evaluate import evaluate
from crystalforge.evaluation.plan import plan_evaluation
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

DRAWN = "html[data-pictures=drawn]"
PATIENCE_MS = 120_000
LEAST_CHANGE = 0.02
"""Of the pixels, after a drag."""
# Plotly's own check of what it was given: unknown keys, values of a wrong type. It cannot check a legend (4.1).
INVALID = """() => [...document.querySelectorAll("[data-figure]")].flatMap((box) => {
  const { legend, ...layout } = box.layout;
  return (Plotly.validate(box.data, layout) || []).map((one) => `${box.dataset.figure}: ${one.msg}`);
})"""
EMPTY = """() => [...document.querySelectorAll("[data-figure]")].filter((box) =>
  !box.querySelector(".scatterlayer .trace path")).map((box) => box.dataset.figure)"""
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def home(candidates: tuple[Home, GenerationPlan], tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Everything is there but networks: candidates, an evaluation, screenings, calculations."""
    copy = Home.locate(shutil.copytree(candidates[0].path, tmp_path_factory.mktemp("told") / "home"))
    add_calculations(copy, add_screenings(copy, candidates[1].generation_id))
    evaluate(copy, plan_evaluation(copy, limit=12), n_processes=1)
    _add_epochs(copy, candidates[1])
    return copy


def _add_epochs(home: Home, plan: GenerationPlan) -> None:
    for number in plan.counts:
        lines = [
            {
                "epoch": epoch,
                "generator_steps": 50 * epoch,
                "terms": {"generator_loss": 3.0 / epoch},
                "time": 10.0 * epoch,
            }
            for epoch in (1, 2, 3)
        ]
        path = home.trainings / plan.training_id / f"space_group_number={number}" / "progress.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def answer(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Result:
    out = tmp_path_factory.mktemp("page") / "report.html"
    arguments = ["report", "--home", str(home.path), "--out", str(out), "--top", "3", "--where", "true", "--json"]
    return CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def file(answer: Result) -> Path:
    return Path(json.loads(answer.stdout)["path"])


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def watched(opened: Browser, file: Path) -> Iterator[Watched]:
    shown = watched_page(opened, viewport={"width": 1280, "height": 900}, accept_downloads=True)
    shown.page.goto(file.as_uri(), timeout=PATIENCE_MS)
    shown.page.wait_for_selector(DRAWN, state="attached", timeout=PATIENCE_MS)
    yield shown
    shown.page.context.close()


def picture(place: Locator) -> np.ndarray[Any, Any]:
    """Pixels (height, width, 3)."""
    from matplotlib.image import imread

    return np.asarray(imread(io.BytesIO(place.screenshot())))[..., :3]


def test_command_tells_what_it_wrote(answer: Result) -> None:
    assert answer.exit_code == 0, answer.output
    written = json.loads(answer.stdout)
    assert set(written["sections"].values()) == {None}, "every section has something to show"
    assert written["bytes"] < 10e6


def test_every_figure_is_drawn_and_valid(watched: Watched) -> None:
    assert watched.page.evaluate(EMPTY) == []
    assert watched.page.evaluate(INVALID) == []
    assert watched.page.locator("[data-figure]").count() == 6
    watched.assert_clean()


def test_crystal_is_seen_and_a_drag_turns_it(watched: Watched) -> None:
    stage = watched.page.locator("#viewer .crystal-stage")
    stage.scroll_into_view_if_needed()
    before = picture(stage)
    assert len(np.unique(before.reshape(-1, 3), axis=0)) > 100, "balls with shades on a plain ground"
    box = stage.bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    watched.page.mouse.move(*middle)
    watched.page.mouse.down()
    watched.page.mouse.move(middle[0] + 120, middle[1] + 40, steps=4)
    watched.page.mouse.up()
    assert (np.abs(picture(stage) - before).max(axis=-1) > 0.1).mean() > LEAST_CHANGE
    watched.assert_clean()


def test_choices_of_the_viewer_change_the_picture(watched: Watched) -> None:
    stage = watched.page.locator("#viewer .crystal-stage")
    bar = watched.page.locator("#viewer .crystal-bar")
    for choice, back in (
        ("labels", "labels"),
        ("2×2×2", "1"),
        ("bonds", "bonds"),
        ("a", "⟲"),
        ("relaxed", "conventional"),
    ):
        before = picture(stage)
        bar.get_by_role("button", name=choice, exact=True).click()
        assert (np.abs(picture(stage) - before).max(axis=-1) > 0.1).any(), choice
        bar.get_by_role("button", name=back, exact=True).click()
        watched.assert_clean()


def test_another_crystal_brings_its_own_card_and_cif(watched: Watched, home: Home, tmp_path: Path) -> None:
    page = watched.page
    page.locator("[data-crystal='0']").focus()
    page.keyboard.press("ArrowDown")
    cards = page.locator("[data-card]:visible")
    assert cards.count() == 1
    crystal_id = cards.locator("dd code").last.inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save CIF").click()
    download.value.save_as(tmp_path / "crystal.cif")
    with open_catalog(home) as catalog:
        row = catalog.query("SELECT * FROM crystals WHERE crystal_id = $c", {"c": crystal_id}).to_pylist()[0]
    saved, expected = Structure.from_file(tmp_path / "crystal.cif"), to_structure(row)
    assert saved.composition == expected.composition
    assert saved.lattice.abc == pytest.approx(expected.lattice.abc, abs=1e-6)
    watched.assert_clean()


def test_pictures_of_all_crystals_are_in_the_list(watched: Watched) -> None:
    sizes = watched.page.evaluate(
        "() => [...document.querySelectorAll('.crystal-list img')].map((i) => i.naturalWidth)"
    )
    assert len(sizes) == 3
    assert min(sizes) > 100


def test_space_group_is_chosen_and_a_table_sorted(watched: Watched) -> None:
    page = watched.page
    name = "() => document.querySelector('[data-figure=volume]').data[0].name"
    pooled = page.evaluate(name)
    page.locator("select[data-figures='volume contact']").select_option("225")
    assert page.evaluate(name) != pooled
    page.locator("#groups th", has_text="drawn").first.click()
    drawn = page.evaluate(
        "() => [...document.querySelectorAll('#groups tbody tr')].map((r) => +r.cells[4].dataset.value)"
    )
    assert drawn == sorted(drawn, reverse=True)
    watched.assert_clean()


def test_dark_is_dark_in_page_chart_and_viewer(watched: Watched) -> None:
    page = watched.page
    page.locator("#theme").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    stage = page.locator("#viewer .crystal-stage")
    stage.scroll_into_view_if_needed()
    assert np.median(picture(stage)) < 0.3
    colour = page.evaluate("() => document.querySelector('[data-figure=volume]').layout.font.color")
    assert colour == page.evaluate("() => getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()")
    watched.assert_clean()


def test_a_phone_scrolls_in_one_direction_only(opened: Browser, file: Path) -> None:
    shown = watched_page(opened, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    shown.page.goto(file.as_uri(), timeout=PATIENCE_MS)
    shown.page.wait_for_selector(DRAWN, state="attached", timeout=PATIENCE_MS)
    assert shown.page.evaluate(TOO_WIDE) <= 0
    shown.assert_clean()
    shown.page.context.close()
