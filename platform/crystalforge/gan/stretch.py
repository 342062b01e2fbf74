"""A stretch of a generation. Apart from the models, because a plan is made without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stretch:
    """Where a batch lies among all samples of its space group, for models that spread compositions evenly over them."""

    first_index: int
    """Index of the batch's first sample."""
    offset: float
    """In [0, 1), the same for all batches."""
    n_samples: int
    """Of all batches together."""
