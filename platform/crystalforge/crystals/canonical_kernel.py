"""The search for the canonical setting of one crystal after the other, compiled (see ``canonical``).

A setting is judged by, in this order: the Wyckoff letters as a sorted triple, the letters by site, the edges of the
cell, and the free coordinates by site, first in coarse then in fine steps. The least setting wins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystalforge.symmetry.merging_kernel import compiled
from crystalforge.symmetry.setting_tables import SettingTables
from crystalforge.symmetry.tolerances import ROUND_OFF

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

COARSE_STEPS = 10_000
"""Steps of a rounded free coordinate in a cell edge (1e-4): what identity knows of it."""
FINE_STEPS = 1_000_000
"""Steps (1e-6) that choose between settings that are equal in coarse ones."""
OFFSET = 0.5371
"""Rounding bounds lie off the decimals that people write, and off thirds, eighths and 24ths: noise changes nothing."""
ALL_GOOD = -1
NOT_YET = 1 << 62
"""More than any key."""
_RADIX = 64
"""More than the letters of any space group, 27."""


@compiled
def choose_settings(
    frac_coords: Floats,
    positions: Integers,
    order: Integers,
    atomic_numbers: Integers,
    edges: Integers,
    tolerance: float,
    tables: SettingTables,
    setting: Integers,
    position: Integers,
    parameters: Floats,
    keys: Integers,
) -> int:
    """Find the canonical setting of n crystals of one space group; the last four arrays are filled.

    Args:
        frac_coords: (n, 3, 3) any member of each orbit.
        positions: (n, 3) index of the Wyckoff position of each site.
        order: (n, 3) the sites in the order in which they are compared; those of one element are interchangeable.
        atomic_numbers: (n, 3).
        edges: (n, 3) lengths of the cell edges in whole steps.
        tolerance: fractional; how far a site may be off its position.
        tables: of the space group.
        setting: (n,) index of the change of setting.
        position: (n, 3) index of each site's Wyckoff position after it.
        parameters: (n, 3, 3) free coordinates of each site after it.
        keys: (n, 3) the same in coarse steps, as the digits of a number.

    Returns:
        ``ALL_GOOD``, or 3 · row + site of a site that is not on its Wyckoff position.
    """
    linear, constant, read, onto_start, onto_R, onto_t, after, edge_after, start, map_linear, map_constant = tables
    own, place, turn = np.empty((3, 3)), np.empty(3, dtype=np.int64), np.empty(3, dtype=np.int64)
    coarse, fine, chosen = np.empty(3, dtype=np.int64), np.empty(3, dtype=np.int64), np.empty(3, dtype=np.int64)
    least_coarse, least_fine = np.empty(3, dtype=np.int64), np.empty(3, dtype=np.int64)
    for i in range(len(frac_coords)):
        for s in range(3):
            if not _read_parameters(
                frac_coords, i, s, positions[i, s], tolerance, linear, constant, read, onto_start, onto_R, onto_t, own
            ):
                return 3 * i + s
        least_letters, least_edges = NOT_YET, NOT_YET
        for change in range(len(after)):
            for s in range(3):
                place[s] = after[change, positions[i, s]]
                turn[s], coarse[s], fine[s] = order[i, s], 0, 0
            _sort_equal_elements(turn, atomic_numbers, i, place, coarse, fine)
            letters, lengths = _letters_key(place, turn), _edges_key(edges, i, edge_after, change)
            if (letters, lengths) > (least_letters, least_edges):
                continue
            for s in range(3):
                w = positions[i, s]
                coarse[s], fine[s], chosen[s] = _least_place(
                    own, s, start[change, w], start[change, w + 1], map_linear, map_constant
                )
            _sort_equal_elements(turn, atomic_numbers, i, place, coarse, fine)
            if (letters, lengths) == (least_letters, least_edges) and not _is_less(
                turn, coarse, fine, least_coarse, least_fine
            ):
                continue
            least_letters, least_edges, setting[i] = letters, lengths, change
            for rank in range(3):
                s = turn[rank]
                least_coarse[rank], least_fine[rank] = coarse[s], fine[s]
                position[i, s], keys[i, s] = place[s], coarse[s]
                _write_parameters(own, i, s, map_linear, map_constant, chosen[s], parameters)
    return ALL_GOOD


@compiled
def _read_parameters(
    sites: Floats,
    i: int,
    s: int,
    w: int,
    tolerance: float,
    linear: Floats,
    constant: Floats,
    read: Floats,
    onto_start: Integers,
    onto_R: Floats,
    onto_t: Floats,
    own: Floats,
) -> bool:
    """Free coordinates of the first member of the orbit of site s that is found on the first triplet of position w."""
    x, y, z = sites[i, s, 0], sites[i, s, 1], sites[i, s, 2]
    for g in range(onto_start[w], onto_start[w + 1]):
        a = onto_R[g, 0, 0] * x + onto_R[g, 0, 1] * y + onto_R[g, 0, 2] * z + onto_t[g, 0] - constant[w, 0]
        b = onto_R[g, 1, 0] * x + onto_R[g, 1, 1] * y + onto_R[g, 1, 2] * z + onto_t[g, 1] - constant[w, 1]
        c = onto_R[g, 2, 0] * x + onto_R[g, 2, 1] * y + onto_R[g, 2, 2] * z + onto_t[g, 2] - constant[w, 2]
        for k in range(3):
            own[s, k] = read[w, k, 0] * a + read[w, k, 1] * b + read[w, k, 2] * c
        off = max(
            _off_integer(a - (linear[w, 0, 0] * own[s, 0] + linear[w, 0, 1] * own[s, 1] + linear[w, 0, 2] * own[s, 2])),
            _off_integer(b - (linear[w, 1, 0] * own[s, 0] + linear[w, 1, 1] * own[s, 1] + linear[w, 1, 2] * own[s, 2])),
            _off_integer(c - (linear[w, 2, 0] * own[s, 0] + linear[w, 2, 1] * own[s, 1] + linear[w, 2, 2] * own[s, 2])),
        )
        if off <= tolerance:
            return True
    return False


@compiled
def _off_integer(value: float) -> float:
    return abs(value - np.floor(value + 0.5))


@compiled
def _least_place(
    own: Floats, s: int, start: int, end: int, map_linear: Floats, map_constant: Floats
) -> tuple[int, int, int]:
    """Least parameters over the maps of one list: in coarse steps, in fine steps, and the map."""
    least, least_fine, best = NOT_YET, NOT_YET, start
    for m in range(start, end):
        x = _mapped(own, s, map_linear, map_constant, m, 0)
        y = _mapped(own, s, map_linear, map_constant, m, 1)
        z = _mapped(own, s, map_linear, map_constant, m, 2)
        coarse = (_steps(x, COARSE_STEPS) * COARSE_STEPS + _steps(y, COARSE_STEPS)) * COARSE_STEPS + _steps(
            z, COARSE_STEPS
        )
        if coarse > least:
            continue
        fine = (_steps(x, FINE_STEPS) * FINE_STEPS + _steps(y, FINE_STEPS)) * FINE_STEPS + _steps(z, FINE_STEPS)
        if coarse < least or fine < least_fine:
            least, least_fine, best = coarse, fine, m
    return least, least_fine, best


@compiled
def _mapped(own: Floats, s: int, map_linear: Floats, map_constant: Floats, m: int, k: int) -> float:
    value = (
        map_linear[m, k, 0] * own[s, 0]
        + map_linear[m, k, 1] * own[s, 1]
        + map_linear[m, k, 2] * own[s, 2]
        + map_constant[m, k]
    )
    return value - np.floor(value)


@compiled
def _write_parameters(
    own: Floats, i: int, s: int, map_linear: Floats, map_constant: Floats, m: int, parameters: Floats
) -> None:
    for k in range(3):
        value = _mapped(own, s, map_linear, map_constant, m, k)
        parameters[i, s, k] = 0.0 if value > 1.0 - ROUND_OFF else value


@compiled
def _steps(value: float, n_steps: int) -> int:
    """A coordinate in [0, 1] in whole steps, 1 ≡ 0."""
    steps = int(value * n_steps + OFFSET)
    return 0 if steps >= n_steps else steps


@compiled
def _sort_equal_elements(
    turn: Integers, atomic_numbers: Integers, i: int, place: Integers, coarse: Integers, fine: Integers
) -> None:
    """Sites of one element stand in the order of letter and place."""
    for first in (0, 1, 0):
        a, b = turn[first], turn[first + 1]
        if atomic_numbers[i, a] == atomic_numbers[i, b] and (
            (place[b], coarse[b], fine[b]) < (place[a], coarse[a], fine[a])
        ):
            turn[first], turn[first + 1] = b, a


@compiled
def _letters_key(place: Integers, turn: Integers) -> int:
    low, high = min(place[0], place[1], place[2]), max(place[0], place[1], place[2])
    middle = place[0] + place[1] + place[2] - low - high
    key = (low * _RADIX + middle) * _RADIX + high
    for rank in range(3):
        key = key * _RADIX + place[turn[rank]]
    return key


@compiled
def _edges_key(edges: Integers, i: int, edge_after: Integers, change: int) -> int:
    limit = 1 << 20
    key = 0
    for axis in range(3):
        key = key * limit + min(edges[i, edge_after[change, axis]], limit - 1)
    return key


@compiled
def _is_less(turn: Integers, coarse: Integers, fine: Integers, least_coarse: Integers, least_fine: Integers) -> bool:
    for rank in range(3):
        if coarse[turn[rank]] != least_coarse[rank]:
            return coarse[turn[rank]] < least_coarse[rank]
    for rank in range(3):
        if fine[turn[rank]] != least_fine[rank]:
            return fine[turn[rank]] < least_fine[rank]
    return False
