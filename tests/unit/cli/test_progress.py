"""Progress in a file: a line at the end of the work, and now and then on the way; never on standard output."""

from __future__ import annotations

import pytest

from crystalforge.cli import progress as module
from crystalforge.cli.progress import progress


def test_a_short_work_is_one_line_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("samples", total=3) as update:
        for done in (1, 2, 3):
            update(done, "accepted 50 %")
    assert capsys.readouterr() == ("", "samples: 3/3 accepted 50 %\n")


def test_a_long_work_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    with progress("steps", total=3) as update:
        update(1)
        update(3)
    assert capsys.readouterr().err.splitlines() == ["steps: 1/3", "steps: 3/3"]


def test_the_amount_may_become_known_on_the_way(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("curating", total=0) as update:
        update(1, "", 2)
        update(2, "", 2)
    assert capsys.readouterr().err == "curating: 2/2\n"


def test_an_amount_that_is_not_known_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress("reading", total=0) as update:
        update(1)
        monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
        update(2, "pages")
    assert capsys.readouterr().err == "reading: 2 pages\n"


def test_a_total_may_grow_and_done_never_passes_it(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("calculations", total=0) as update:
        for done, open_ones in ((0, 2), (1, 3), (2, 2), (4, 0)):
            update(done, total=done + open_ones)
    assert capsys.readouterr().err == "calculations: 4/4\n"
