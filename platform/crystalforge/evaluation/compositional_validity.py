"""Compositional validity by SMACT: charge neutrality and electronegativities, formula by formula.

D. W. Davies et al., *J. Open Source Softw.* 4, 1361 (2019). Oxidation states are the package's default: those of the
ICSD 2024 with at least 3 entries. Zintl phases and metals with a non-metal have no such states and fail, real ones too:
read the share beside that of real crystals.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from crystalforge.evaluation.workers import Workers, pieces_of

PIECE = 2000


@cache
def smact_version() -> str:
    """Version of the package that judges; each look at its metadata takes milliseconds."""
    return version("smact")


def smact_validity(formulas: NDArray[np.str_], workers: Workers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether SMACT finds each formula valid, each distinct one judged once.

    Args:
        formulas: (n,) reduced formulas.
        workers: processes.

    Returns:
        (n,) with the rule that alloys of metals pass, and (n,) without it.
    """
    distinct, inverse = np.unique(formulas, return_inverse=True)
    found = list(workers.map(_judge, pieces_of(distinct.tolist(), PIECE)))
    verdicts = np.concatenate([np.zeros((0, 2), dtype=bool), *found])[inverse]
    return verdicts[:, 0], verdicts[:, 1]


def _judge(formulas: Sequence[str]) -> NDArray[np.bool_]:
    """(n_formulas, 2): with and without the rule for alloys."""
    from pymatgen.core import Composition
    from smact import metals
    from smact.screening import smact_validity as is_valid

    verdicts = np.zeros((len(formulas), 2), dtype=bool)
    for place, formula in enumerate(formulas):
        composition = Composition(formula)
        alone = bool(is_valid(composition, include_alloys=False))
        # SMACT's own rule for alloys, without a second look for the formulas that fail.
        is_alloy = all(element.symbol in metals for element in composition)
        verdicts[place] = (alone or is_alloy, alone)
    return verdicts
