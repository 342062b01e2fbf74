"""Tolerances of the merge, with their reasons."""

from __future__ import annotations

RESIDUAL = 1e-6
"""Å. An operation of a finite subgroup fixes the centre to round-off; else it misses it by more than 0.08 Å."""

LEAST_CUTOFF = 1e-8
"""Å. Sites that coincide but for round-off are merged whatever the cut-off."""

MAX_DISTORTION = 0.02
"""Largest relative change of a metric by averaging over the point group that is noise, not a wrong crystal system."""

FIXED_PART_TOLERANCE = 1e-5
"""Largest difference of a fixed part from the table's, in lattice units; distinct spaces differ by 1/48 or more."""

ROUND_OFF = 1e-12
"""A fractional coordinate this close below 1 is 0."""
