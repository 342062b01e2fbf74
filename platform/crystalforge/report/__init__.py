"""One HTML file that tells what a generation came to: no network, no server, nothing beside it.

Each section is a file of ``sections``; what it needs is asked of the catalog. No figure is computed here that another
room computes: shares, intervals, nulls and lineages are theirs.
"""

from __future__ import annotations

from crystalforge.report.context import DEFAULT_TOP, Choice
from crystalforge.report.write import ReportSummary, write_report

__all__ = ["DEFAULT_TOP", "Choice", "ReportSummary", "write_report"]
