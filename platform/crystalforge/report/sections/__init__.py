"""The sections, in the order of the page; each module has one function, ``make``."""

from __future__ import annotations

from collections.abc import Callable

from crystalforge.report.context import ReportContext
from crystalforge.report.section import Section
from crystalforge.report.sections import (
    crystals,
    distributions,
    elements,
    energies,
    funnel,
    groups,
    metrics,
    provenance,
    templates,
    training_curves,
)

SECTIONS: tuple[Callable[[ReportContext], Section], ...] = (
    funnel.make,
    crystals.make,
    groups.make,
    energies.make,
    distributions.make,
    elements.make,
    templates.make,
    metrics.make,
    training_curves.make,
    provenance.make,
)

__all__ = ["SECTIONS"]
