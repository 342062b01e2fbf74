"""Says loudly when a real DFT code did not run."""

from __future__ import annotations

import pytest

from crystalforge.validation.engines.elk import Elk
from crystalforge.validation.engines.gpaw import Gpaw


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lines of their own, so that they are not some of many skips."""
    absent = [f"{engine.name}: {why}" for engine in (Gpaw(), Elk()) if (why := engine.missing())]
    if absent:
        terminalreporter.write_sep("!", "A REAL DFT CODE WAS NOT RUN", red=True, bold=True)
    for line in absent:
        terminalreporter.write_line(line)
