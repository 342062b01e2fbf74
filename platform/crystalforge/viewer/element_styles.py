"""How an element looks in the viewer: Jmol's colour, kept apart from its neighbours', and its atomic radius."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterable
from functools import cache
from typing import Any

from crystalforge.crystals.elements import atomic_number, atomic_radii, electronegativities

COLOUR_UNKNOWN = (0.75, 0.15, 0.4)
"""Jmol has no colour from Ds on."""
RADIUS_UNKNOWN = 1.5
"""Å, for elements without a Slater radius."""
LEAST_COLOUR_DISTANCE = 0.2
"""In RGB, 0 to √3. Nearer colours in one crystal, as of two lanthanides, are told apart by their lightness."""
LIGHTNESS_STEPS = (0.0, -0.18, 0.18, -0.3, 0.3)

Colour = tuple[float, float, float]


def element_styles(symbols: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour (``#rrggbb``), atomic radius (Å) and Pauling electronegativity (None: unknown) of each element.

    Args:
        symbols: the elements of one crystal; the first keeps its colour where two are alike.
    """
    chosen: list[Colour] = []
    styles = {}
    for symbol in dict.fromkeys(symbols):
        number = int(atomic_number(symbol))
        chosen.append(_apart(_jmol_colour(number), chosen))
        radius, electronegativity = float(atomic_radii()[number]), float(electronegativities()[number])
        styles[symbol] = {
            "colour": "#" + "".join(f"{round(part * 255):02x}" for part in chosen[-1]),
            "radius": radius if math.isfinite(radius) else RADIUS_UNKNOWN,
            "electronegativity": electronegativity if math.isfinite(electronegativity) else None,
        }
    return styles


@cache
def _jmol_colour(number: int) -> Colour:
    from ase.data.colors import jmol_colors

    if number >= len(jmol_colors):
        return COLOUR_UNKNOWN
    red, green, blue = jmol_colors[number]
    return float(red), float(green), float(blue)


def _apart(colour: Colour, others: list[Colour]) -> Colour:
    """The colour in the first lightness that is far enough from the others; the farthest if none is."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*colour)
    variants = [
        colorsys.hls_to_rgb(hue, min(max(lightness + step, 0.12), 0.95), saturation) if step else colour
        for step in LIGHTNESS_STEPS
    ]
    distances = [min((math.dist(variant, other) for other in others), default=math.inf) for variant in variants]
    good = [variant for variant, distance in zip(variants, distances, strict=True) if distance >= LEAST_COLOUR_DISTANCE]
    return good[0] if good else variants[distances.index(max(distances))]
