"""A home with something for every section, and its report."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

import pytest
from small_report import add_calculations, add_screenings

from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.report import Choice, ReportSummary, write_report


@dataclass(frozen=True)
class Reported:
    """A home, its generation, the samples that were screened, and what was written of it."""

    home: Home
    generation_id: str
    samples: list[dict[str, Any]]
    summary: ReportSummary

    @property
    def page(self) -> str:
        """Text of the page."""
        return self.summary.path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def reported(candidates: tuple[Home, GenerationPlan], tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Screened and computed, not evaluated. Tests only read it."""
    folder = tmp_path_factory.mktemp("reported")
    home = Home.locate(shutil.copytree(candidates[0].path, folder / "home"))
    generation_id = candidates[1].generation_id
    samples = add_screenings(home, generation_id)
    add_calculations(home, samples)
    return Reported(
        home, generation_id, samples, write_report(home, out=folder / "report.html", choice=Choice(where="true", top=5))
    )
