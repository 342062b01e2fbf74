"""Which crystals are set aside to judge a model: by formula, so that no polymorph of one of them is trained on.

Stored nowhere: the hash of the formula decides, the same in every process, dataset and version.
"""

from __future__ import annotations

import hashlib
import math
import re
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from crystalforge.errors import UsageError

VALIDATION_SHARE = 0.1
"""The share that recipes which learn from a validation part, and `platform dataset show`, take."""
_FORMULA = re.compile(r"(?:[A-Z][a-z]?\d*)+")
_ELEMENT = re.compile(r"([A-Z][a-z]?)(\d*)")
_BRACKET = re.compile(r"\(([A-Za-z\d]+)\)(\d*)")


def is_validation(reduced_formulas: ArrayLike, share: float = VALIDATION_SHARE) -> NDArray[np.bool_]:
    """Whether crystals belong to the validation part.

    The first 8 bytes of the SHA-256 of the formula, elements in alphabetical order, are read as a fraction of 2⁶⁴;
    below the share, the formula is set aside. So the part of a smaller share lies within that of a larger one, and
    the order of the elements, as of "ScNiP" and "NiPSc", does not matter.

    Args:
        reduced_formulas: (n,) str, as "ScNiP".
        share: expected share of the formulas, 0 to 1.

    Returns:
        (n,) bool.

    Raises:
        UsageError: the share is not within 0 to 1, or a string is no formula.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"The share of the validation part must be from 0 to 1, got {share}.")
    names, inverse = np.unique(np.asarray(reduced_formulas).astype(str), return_inverse=True)
    below = np.array([_fraction(str(name)) < share for name in names], dtype=bool)
    return below[inverse.reshape(-1)]


@cache
def _fraction(formula: str) -> float:
    digest = hashlib.sha256(_sorted_formula(formula).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _sorted_formula(formula: str) -> str:
    """The formula without brackets, elements in alphabetical order, counts over their greatest common divisor."""
    flat = _BRACKET.sub(lambda found: _times(found[1], int(found[2] or 1)), formula)
    if not _FORMULA.fullmatch(flat):
        raise UsageError(
            f"Not a reduced formula: expected elements with counts, as 'ScNiP' or 'CaF2', got {formula!r}."
        )
    counts = sorted((symbol, int(count or 1)) for symbol, count in _ELEMENT.findall(flat))
    divisor = math.gcd(*(count for _, count in counts)) or 1
    return "".join(f"{symbol}{count // divisor}" for symbol, count in counts)


def _times(formula: str, factor: int) -> str:
    return _ELEMENT.sub(lambda found: f"{found[1]}{int(found[2] or 1) * factor}", formula)


def split_materials(materials: pa.Table, share: float = VALIDATION_SHARE) -> tuple[pa.Table, pa.Table]:
    """The crystals to learn from and those set aside, each in the order of the rows.

    Args:
        materials: rows of schema ``materials``, or any with ``reduced_formula``.
        share: 0 sets none aside.
    """
    aside = is_validation(materials["reduced_formula"].to_numpy(zero_copy_only=False), share)
    return materials.filter(pa.array(~aside)), materials.filter(pa.array(aside))


def validation_counts(materials: pa.Table, share: float = VALIDATION_SHARE) -> dict[int, int]:
    """How many crystals of each space group that occurs are set aside."""
    _, aside = split_materials(materials, share)
    counts: Any = np.bincount(aside["space_group_number"].to_numpy(), minlength=231)
    return {int(number): int(counts[number]) for number in np.unique(materials["space_group_number"].to_numpy())}
