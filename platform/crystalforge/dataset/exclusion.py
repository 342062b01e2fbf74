"""Inputs that a dataset leaves out: the reasons, and the rows of ``exclusions.parquet``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Self

import pyarrow as pa

from crystalforge.schemas import EXCLUSIONS


class ExclusionReason(StrEnum):
    """Why an input is not a row of ``materials``; the first that holds.

    Attributes:
        meaning: one sentence for people.
    """

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """A member with its meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    TOO_LARGE = "too_large", "The input is longer, or has more atoms, than the limit."
    PARSE_FAILED = "parse_failed", "It is not the description of a crystal: no CIF, or an entry that lacks a part."
    PARSE_TIMEOUT = "parse_timeout", "Parsing and standardising took longer than the limit."
    PARSE_MEMORY = "parse_memory", "Parsing and standardising took more memory than the limit."
    PARSE_CRASHED = "parse_crashed", "The parser's process died."
    LICENCE = "licence", "The entry stands under another licence than the source: it does not permit every use."
    BAD_CELL = "bad_cell", "A length, an angle or a coordinate is missing or not finite, or the cell has no volume."
    UNKNOWN_ELEMENT = "unknown_element", "A site holds no known element."
    DISORDERED = "disordered", "A site is not fully occupied by one element."
    NOT_TERNARY = "not_ternary", "The crystal does not have exactly three elements."
    SYMMETRY_NOT_FOUND = "symmetry_not_found", "spglib found no space group, as where atoms overlap."
    NOT_THREE_SITES = "not_three_sites", "The crystal does not have exactly three inequivalent sites."
    SPACE_GROUP_NOT_ASKED = "space_group_not_asked", "The space group is none of those asked for."
    ELEMENTS_NOT_ASKED = "elements_not_asked", "It lacks an element that was asked for, or has one that was excluded."
    ENERGY_NOT_ASKED = "energy_not_asked", "The energy above hull is higher than asked for, or the source has none."
    WRONG_SETTING = "wrong_setting", "Cell and sites stand in another Hall setting than the one of the space group."
    CELL_DISAGREES = "cell_disagrees", "The cell lacks the equal lengths and fixed angles of the crystal system."
    PERCOLATES = "percolates", "Overlapping atoms of one orbit join into a cluster without end: it has no centre."
    SITES_DISAGREE = (
        "sites_disagree",
        "The space group expands the sites to other multiplicities than the source states.",
    )
    DUPLICATE = "duplicate", "The same crystal came before."


class Exclusion(NamedTuple):
    """One input that was left out.

    Attributes:
        input: file, or file and row, or identifier in the source.
        reason: why.
        detail: what was expected and what came.
    """

    input: str
    reason: ExclusionReason
    detail: str


class LeftOutError(Exception):
    """Raised inside the curation of one crystal and caught there: it becomes an ``Exclusion``."""

    def __init__(self, reason: ExclusionReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def exclusions_table(exclusions: Sequence[Exclusion]) -> pa.Table:
    """Rows of ``exclusions.parquet``, in the order given."""
    columns = {
        "input": pa.array([exclusion.input for exclusion in exclusions], pa.string()),
        "reason": pa.array([str(exclusion.reason) for exclusion in exclusions], pa.string()).dictionary_encode(),
        "detail": pa.array([exclusion.detail for exclusion in exclusions], pa.string()),
    }
    return pa.Table.from_arrays([columns[name] for name in EXCLUSIONS.names], schema=EXCLUSIONS)


def count_reasons(exclusions: Sequence[Exclusion]) -> dict[str, int]:
    """How many inputs each reason left out, most first."""
    counted = Counter(str(exclusion.reason) for exclusion in exclusions)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
