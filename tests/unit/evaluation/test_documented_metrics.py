"""docs/evaluation.md names every metric, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from crystalforge.evaluation.metrics import METRICS, QUANTITIES, SYMPRECS

DOCS = Path(__file__).resolve().parents[3] / "docs" / "evaluation.md"


def test_every_metric_is_documented() -> None:
    named = set(re.findall(r"`([a-zA-Z_]+)`", DOCS.read_text()))
    families = {
        f"{name[: -len(str(symprec))]}S" for name in METRICS for symprec in SYMPRECS if name.endswith(f"_{symprec}")
    }
    families |= {"wasserstein_Q", "wasserstein_ratio_Q", *QUANTITIES}
    single = {name for name in METRICS if not name.startswith(("wasserstein_", "group_"))}
    assert single | families <= named
