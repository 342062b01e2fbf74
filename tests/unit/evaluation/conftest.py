"""Work in the process of the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crystalforge.evaluation.workers import Workers, workers


@pytest.fixture
def here() -> Iterator[Workers]:
    """No pool: its processes take seconds to start."""
    with workers(1) as pool:
        yield pool
