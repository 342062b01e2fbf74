"""How many crystals the paper trained on, per space group."""

from __future__ import annotations

PAPER_COUNTS: dict[int, int] = {
    225: 4653,
    71: 2251,
    221: 1467,
    139: 970,
    62: 900,
    216: 811,
    166: 784,
    194: 753,
    123: 485,
    164: 470,
    141: 435,
    227: 421,
}
"""Zhao, Siriwardane, Hu (2021), "Data": ternaries of the Materials Project with three base atom sites."""
