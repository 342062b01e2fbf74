"""Says loudly when no real DFT code ran."""

from __future__ import annotations

import pytest

from crystalforge.validation.engines.gpaw import Gpaw


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line of its own, so that it is not one of many skips."""
    why = Gpaw().missing()
    if why:
        terminalreporter.write_sep("!", "NO REAL DFT CODE WAS RUN", red=True, bold=True)
        terminalreporter.write_line(why)
