"""Wyckoff positions of the 230 space groups in their fixed settings.

The table ``wyckoff_positions.json`` holds, per Hall number, ``[letter, multiplicity, site symmetry, coordinates]``
of each position. It is spglib's own table as moyopy gives it, and is made again by
``python -m crystalforge.symmetry.make_wyckoff_positions``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from crystalforge.errors import DamagedFileError

TABLE = "wyckoff_positions.json"
_TERM = re.compile(r"([+-]?)(?:(\d+(?:/\d+)?)\*?)?([xyz]?)")


@dataclass(frozen=True)
class WyckoffPosition:
    """A Wyckoff position: the sites of one kind of site symmetry.

    Attributes:
        letter: "a" to "z", then "A" (the 27th position of Pmmm).
        multiplicity: number of sites in the conventional cell.
        site_symmetry: oriented symbol, such as ".m." or "m-3m".
        coordinates: the first site of the International Tables, such as "x,2x,1/4".
        linear: (3, 3) part of the affine form; site = linear @ (x, y, z) + constant.
        constant: (3,) part of the affine form, fractional.
    """

    letter: str
    multiplicity: int
    site_symmetry: str
    coordinates: str
    linear: NDArray[np.float64] = field(repr=False, compare=False)
    constant: NDArray[np.float64] = field(repr=False, compare=False)

    @property
    def degrees_of_freedom(self) -> int:
        """Number of free coordinates, 0 to 3."""
        return int(np.linalg.matrix_rank(self.linear))


def affine_form(coordinates: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read coordinates such as ``"x,2x,1/4"`` as linear (3, 3) and constant (3,) part.

    Raises:
        DamagedFileError: the text is not three sums of multiples of x, y, z and fractions.
    """
    linear, constant = np.zeros((3, 3)), np.zeros(3)
    axes = coordinates.replace(" ", "").split(",")
    if len(axes) != 3:
        raise DamagedFileError(f"Expected three coordinates such as 'x,2x,1/4', got {coordinates!r} in {TABLE}.")
    for axis, text in enumerate(axes):
        end = 0
        while end < len(text):
            term = _TERM.match(text, end)
            if term is None or term.end() == end or not (term[2] or term[3]):
                raise DamagedFileError(f"Expected a sum such as '-x+1/2', got {text!r} of {coordinates!r} in {TABLE}.")
            value = float(Fraction(term[2] or 1)) * (-1 if term[1] == "-" else 1)
            if term[3]:
                linear[axis, "xyz".index(term[3])] += value
            else:
                constant[axis] += value
            end = term.end()
    return linear, constant


def wyckoff_positions_of(hall_number: int) -> tuple[WyckoffPosition, ...]:
    """Wyckoff positions of a setting, from "a" to the general position; empty where the table has none."""
    return tuple(_position(*row) for row in _table().get(str(hall_number), ()))


def _position(letter: str, multiplicity: int, site_symmetry: str, coordinates: str) -> WyckoffPosition:
    linear, constant = affine_form(coordinates)
    linear.setflags(write=False)
    constant.setflags(write=False)
    return WyckoffPosition(letter, multiplicity, site_symmetry, coordinates, linear, constant)


@cache
def _table() -> dict[str, list[tuple[str, int, str, str]]]:
    path = files(__package__) / TABLE
    # The script that makes the table runs before there is one.
    return json.loads(path.read_text()) if path.is_file() else {}
