"""The file: whole, alone, and with every number that the tables have."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import Reported
from small_catalog import digest
from small_report import ENERGIES, N_SCREENED

from crystalforge.catalog.query import open_catalog
from crystalforge.errors import GenerationError, QueryError, UsageError
from crystalforge.home import Home
from crystalforge.report import Choice, write_report
from crystalforge.screening.funnel import interval

LARGEST_BYTES = 10e6


class Page(HTMLParser):
    """Collects what a browser would fetch, the sections, and the text without scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.sections: list[str] = []
        self.policy = ""
        self.json: dict[str, str] = {}
        self._inside: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        for name in ("src", "href", "data", "action"):
            if name in values:
                self.fetched.append(values[name] or "")
        if tag == "section":
            self.sections.append(values.get("id") or "")
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""
        self._inside = [tag, values.get("id") or ""]

    def handle_endtag(self, tag: str) -> None:
        self._inside = []

    def handle_data(self, data: str) -> None:
        if self._inside[:1] == ["script"] and self._inside[1]:
            self.json[self._inside[1]] = self.json.get(self._inside[1], "") + data
        elif self._inside[:1] not in (["script"], ["style"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def page(reported: Reported) -> Page:
    return Page(reported.page)


def test_the_page_stands_alone(reported: Reported, page: Page) -> None:
    assert all(address.startswith(("#", "data:")) for address in page.fetched), page.fetched
    assert "default-src 'none'" in page.policy
    assert "connect-src 'none'" in page.policy
    assert reported.summary.bytes == reported.summary.path.stat().st_size < LARGEST_BYTES


def test_every_section_is_there_and_what_is_absent_says_how_to_make_it(reported: Reported, page: Page) -> None:
    assert page.sections == list(reported.summary.sections)
    absent = {key for key, why in reported.summary.sections.items() if why}
    assert absent == {"templates", "metrics", "training"}, "not evaluated; a baseline has no networks"
    assert f"platform evaluate {reported.generation_id}" in page.text
    assert reported.summary.commands["metrics"] == [f"platform evaluate {reported.generation_id}"]


def test_shares_of_the_funnel_are_those_of_the_samples(reported: Reported, page: Page) -> None:
    near = sum(1 for i in range(N_SCREENED) if ENERGIES[i % 4] in (-0.03, 0.05))
    covered = sum(1 for i in range(N_SCREENED) if ENERGIES[i % 4] in (-0.03, 0.05) and i % 3 != 2)
    low, high = interval(near, N_SCREENED)
    assert low is not None
    assert high is not None
    expected = f"{100 * low:.1f}\u202f% to {100 * high:.1f}\u202f%, {near}/{N_SCREENED}"
    assert re.sub(r"\s+", " ", expected) in page.text
    assert f"at least {100 * covered / N_SCREENED:.1f}" in page.text
    assert "null: noise" in page.text


def test_counts_by_group_are_those_of_sql(reported: Reported) -> None:
    sql = "SELECT space_group_number, count(*) AS n FROM samples WHERE generation_id = $g GROUP BY ALL"
    with open_catalog(reported.home) as catalog:
        counts = catalog.query(sql, {"g": reported.generation_id}).to_pylist()
    table = reported.page.partition('class="numbers sortable"')[2].partition("</table>")[0]
    for row in counts:
        line = re.search(rf'<tr>\s*<td class="n" data-value="{row["space_group_number"]}">.*?</tr>', table, re.DOTALL)
        assert line is not None
        assert f'data-value="{row["n"]}"' in line[0]


def test_the_validated_crystal_leads_and_tells_its_way(reported: Reported, page: Page) -> None:
    crystals = json.loads(page.json["section-data"])["crystals"]
    validated, unstable = (sample["crystal_id"] for sample in reported.samples[:2])
    assert [validated in crystal["sql"] for crystal in crystals] == [True, False, False, False, False]
    assert not any(unstable in crystal["sql"] for crystal in crystals)
    for crystal in crystals:
        assert "data_" in crystal["cif"]
        assert crystal["scene"]["cells"]["conventional"]["species"]
    card = reported.page.partition('data-card="0"')[2].partition("</article>")[0]
    for words in (
        reported.samples[0]["sample_id"],
        "chgnet 0.3.0",
        "−0.030 eV/atom above the hull of hull-00000000",
        "1.000 Li3Al",
        "gpaw-quick (gpaw)",
        "validated: 0.020 eV/atom",
        "Nearest real crystals",
    ):
        assert words in card


def test_own_choice_decides_the_order(reported: Reported, tmp_path: Path) -> None:
    choice = Choice(where="space_group_number = 225", order_by="density DESC", top=3)
    summary = write_report(reported.home, out=tmp_path / "own.html", choice=choice)
    crystals = json.loads(Page(summary.path.read_text()).json["section-data"])["crystals"]
    sql = (
        "SELECT crystal_id FROM crystals WHERE source = 'candidates' AND space_group_number = 225 "
        "ORDER BY density DESC, crystal_id LIMIT 3"
    )
    with open_catalog(reported.home) as catalog:
        expected = [row["crystal_id"] for row in catalog.query(sql).to_pylist()]
    assert [re.search("'(.*)'", crystal["sql"])[1] for crystal in crystals] == expected  # type: ignore[index]


@pytest.mark.parametrize(
    ("choice", "error", "words"),
    [
        (Choice(where="no_column > 1"), QueryError, "--where or --order-by"),
        (Choice(where="density > 1e9"), UsageError, "expected at least one"),
        (Choice(where="true); DROP TABLE samples; --"), QueryError, "--where"),
        (Choice(top=0), UsageError, "1 to 100"),
        (Choice(top=101), UsageError, "platform export"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_and_leaves_no_file(
    reported: Reported, tmp_path: Path, choice: Choice, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        write_report(reported.home, out=tmp_path / "r.html", choice=choice)
    assert not list(tmp_path.iterdir())


def test_home_stays_as_it_was_and_names_are_checked(reported: Reported, tmp_path: Path) -> None:
    before = digest(reported.home.path)
    with pytest.raises(UsageError, match=r"ends in \.html"):
        write_report(reported.home, out=tmp_path / "r.txt")
    with pytest.raises(GenerationError, match="No generation 'nothing'"):
        write_report(reported.home, generation="nothing", out=tmp_path)
    with pytest.raises(GenerationError, match="platform generate"):
        write_report(Home.locate(tmp_path / "empty"))
    assert digest(reported.home.path) == before


def test_a_home_with_nothing_but_a_generation_has_a_report(drawn_home: Home, tmp_path: Path) -> None:
    summary = write_report(drawn_home, out=tmp_path, choice=Choice(top=2))
    assert summary.path == tmp_path / f"report-{summary.generation_id}.html"
    assert summary.sections["energies"] == "No sample of this generation was relaxed and put on a hull."
    page = Page(summary.path.read_text())
    assert "platform screen --source samples" in page.text
    assert "platform validate enqueue" in page.text
    assert summary.sections["crystals"] == "No sample of this generation was accepted."
