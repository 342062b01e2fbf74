"""The documents hold together: links lead somewhere, the reference is that of the code, the index names each page."""

from __future__ import annotations

from pathlib import Path

import pytest
from shown_commands import REPOSITORY, anchors, documents, links, name_of

from crystalforge.cli.make_reference import reference

NAMES = [name_of(path) for path in documents()]
PAGES = REPOSITORY / "docs"


@pytest.mark.parametrize("path", documents(), ids=NAMES)
def test_every_link_leads_somewhere(path: Path) -> None:
    broken = []
    for target in links(path):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert not broken


def test_the_reference_of_commands_is_that_of_the_code() -> None:
    made = (PAGES / "commands.md").read_text(encoding="utf-8")
    assert made == reference(), "run `make docs`"


def test_the_index_names_every_page_of_the_documentation() -> None:
    named = {(PAGES / target.partition("#")[0]).resolve() for target in links(PAGES / "README.md")}
    pages = {path.resolve() for path in PAGES.glob("*.md") if path.name != "README.md"}
    cards = {REPOSITORY / name for name in ("README.md", "MODEL_CARD.md", "DATA_CARD.md", "SECURITY.md")}
    assert (pages | cards) - named == set()
