"""The page in a real browser: it lists, filters, shows crystals, obeys keys, and asks nobody but its own server."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from explored import MARKUP, Explored, all_crystals, explored, screen_some
from playwright.sync_api import expect
from real_browser import Watched, browser, watched_page

from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

WITHOUT_A_NAME = """() => [...document.querySelectorAll("button, input, select, a, [role=group], table")].filter(
  (node) => node.checkVisibility() && !(node.textContent.trim() || node.getAttribute("aria-label")
    || node.labels?.length || node.getAttribute("aria-labelledby"))).map((node) => node.outerHTML)"""


@pytest.fixture(scope="module")
def home(candidates: tuple[Home, GenerationPlan], tmp_path_factory: pytest.TempPathFactory) -> Home:
    copy = Home.locate(shutil.copytree(candidates[0].path, tmp_path_factory.mktemp("shown") / "home"))
    screen_some(copy)
    return copy


@pytest.fixture(scope="module")
def server(home: Home) -> Iterator[Explored]:
    with explored(home) as running:
        yield running


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def watched(opened: Browser, server: Explored) -> Iterator[Watched]:
    """The page after its first rows and its first crystal."""
    allowed = ["clipboard-read", "clipboard-write"]
    shown = watched_page(opened, viewport={"width": 1400, "height": 900}, permissions=allowed)
    shown.page.goto(server.url)
    shown.page.locator(".way li").first.wait_for()
    yield shown
    shown.page.context.close()


def picture(stage: Locator) -> np.ndarray[Any, Any]:
    """Pixels (height, width, 3)."""
    from matplotlib.image import imread

    return np.asarray(imread(io.BytesIO(stage.screenshot()), format="png"))[:, :, :3]


def total(watched: Watched) -> int:
    return int(watched.page.locator("#count b").inner_text().replace(",", ""))


def wait_for_total(watched: Watched, expected: int) -> None:
    expect(watched.page.locator("#count b")).to_have_text(f"{expected:,}")


def test_it_lists_filters_and_goes_back(watched: Watched, home: Home) -> None:
    page, rows = watched.page, all_crystals(home)
    assert total(watched) == len(rows)
    assert page.locator("#rows tr").count() == 50
    element, n = Counter(element for row in rows for element in row["elements"]).most_common(1)[0]
    button = page.locator(f"#elements button[aria-label^='{element}: {n} crystals']")
    button.click()
    wait_for_total(watched, n)
    assert button.get_attribute("aria-pressed") == "true"
    assert page.url.partition("?")[2].startswith(f"elements={element}&")
    button = page.locator(f"#elements button[aria-label^='{element}:']")
    button.click()
    wait_for_total(watched, len(rows) - n)
    page.get_by_role("button", name=f"Take back: without {element}").click()
    wait_for_total(watched, len(rows))
    page.go_back()
    wait_for_total(watched, len(rows) - n)
    page.reload()
    wait_for_total(watched, len(rows) - n)
    page.locator("#clear").click()
    page.locator("#stability button", has_text="≤ 0.1").click()
    near = sum(row["energy_above_hull"] is not None and row["energy_above_hull"] <= 0.1 for row in rows)
    wait_for_total(watched, near)
    page.locator("th button", has_text="Density").click()
    page.locator("th[aria-sort=descending] button", has_text="Density").wait_for()
    page.locator("#sources button", has_text="Real crystals").click()
    expect(page.locator("#count")).to_contain_text("real crystals")
    watched.assert_clean()


def test_a_crystal_is_drawn_and_turns(watched: Watched, home: Home) -> None:
    page = watched.page
    stage = page.locator(".crystal-stage")
    first = picture(stage)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 100, "shaded balls, not an empty ground"
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 150, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 230, box["y"] + 190, steps=4)
    page.mouse.up()
    turned = picture(stage)
    assert (np.abs(turned - first).max(axis=2) > 0.1).mean() > 0.01
    page.locator("#rows tr").first.focus()
    page.keyboard.press("ArrowDown")
    second = page.locator("#rows tr").nth(1)
    formula = second.locator(".formula").inner_text()
    expect(page.locator(".crystal-head h2")).to_have_text(formula)
    assert second.get_attribute("aria-selected") == "true"
    assert page.evaluate("document.activeElement.dataset.index") == "1"
    panel = page.locator("#crystal")
    panel.get_by_text(MARKUP).wait_for()
    assert panel.locator("img").count() == 0, "a text of the home is no part of the page"
    panel.get_by_role("heading", name="Nearest real crystals").wait_for()
    watched.assert_clean()


def test_sql_and_files_leave_the_page(watched: Watched, server: Explored, tmp_path: Path) -> None:
    page = watched.page
    page.locator("#show-sql").click()
    sql = server.ask("/api/crystals")["sql"]
    assert page.locator("#sql-text").inner_text() == sql
    page.get_by_role("button", name="Copy SQL").click()
    page.get_by_text("SQL copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == sql
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CIF").click()
    waiting.value.save_as(tmp_path / "one.cif")
    assert "_space_group_symop_operation_xyz" in (tmp_path / "one.cif").read_text()
    page.locator("#rows td.tick input").nth(2).check()
    page.locator("#rows td.tick input").nth(4).check()
    page.locator("#download").click()
    page.get_by_text("2 ticked", exact=True).wait_for()
    with page.expect_download() as waiting:
        page.locator("#download-items button", has_text="JSON").click()
    waiting.value.save_as(tmp_path / "two.json")
    names = [page.locator("#rows tr").nth(place).get_attribute("data-id") for place in (2, 4)]
    assert sorted(row["source_id"] for row in json.loads((tmp_path / "two.json").read_text())) == sorted(
        map(str, names)
    )
    watched.assert_clean()


def test_it_can_be_used_by_keys_in_light_and_dark(watched: Watched) -> None:
    page = watched.page
    assert page.evaluate(WITHOUT_A_NAME) == []
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "formula"
    page.locator("#elements button[tabindex='0']").focus()
    for key in ("ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Ne:")
    page.keyboard.press("Enter")
    page.get_by_text("No crystal fits these filters").wait_for()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator("#theme").click()
    assert page.evaluate(ground) != light
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "no sideways scrolling on a narrow screen"
    watched.assert_clean()
    page.locator("#formula").fill("LiO")
    page.locator("#banner").get_by_text("no formula of three elements").wait_for()
    page.locator("#clear").click()
    page.locator("#banner").wait_for(state="hidden")
