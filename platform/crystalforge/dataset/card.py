"""The data card of a dataset: what it holds, beside the paper's counts, what was left out and why, whose it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crystalforge.dataset.crystal_columns import PROPERTIES
from crystalforge.dataset.exclusion import ExclusionReason
from crystalforge.dataset.manifest import DatasetManifest
from crystalforge.dataset.paper_counts import PAPER_COUNTS
from crystalforge.dataset.split import validation_counts
from crystalforge.dataset.store import Dataset

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
SPREADS = ("n_atoms_conventional", "volume_per_atom", "density", "min_contact_ratio", *PROPERTIES)
"""Columns whose spread the card tells."""


class GroupCount(NamedTuple):
    """Crystals of a space group.

    Attributes:
        space_group_number: 1 to 230.
        crystals: in the dataset.
        validation: of them, those that recipes may set aside by formula.
        prototypes: different sets of Wyckoff positions.
        elements: different elements.
        paper: that the paper trained on; None where it has no model of the group.
    """

    space_group_number: int
    crystals: int
    validation: int
    prototypes: int
    elements: int
    paper: int | None


class PrototypeCount(NamedTuple):
    """Crystals on the same Wyckoff positions of a space group, whichever element is on which.

    Attributes:
        space_group_number: 1 to 230.
        wyckoff_positions: multiplicities and letters, as "4a 4b 8c".
        crystals: in the dataset.
        example: reduced formula of the first.
    """

    space_group_number: int
    wyckoff_positions: str
    crystals: int
    example: str


class ExclusionCount(NamedTuple):
    """Inputs that one reason left out.

    Attributes:
        reason: as in ``exclusions.parquet``.
        inputs: so many.
        meaning: of the reason.
        example: the first input, and what was wrong with it.
    """

    reason: str
    inputs: int
    meaning: str
    example: str


class Spread(NamedTuple):
    """How a quantity is spread over the crystals that have it.

    Attributes:
        column: of ``materials``, where its unit stands.
        known: crystals that have it.
        quantiles: least, first quartile, median, third quartile, largest; empty where none has it.
    """

    column: str
    known: int
    quantiles: list[float]


@dataclass(frozen=True)
class DataCard:
    """What there is to know of a dataset before using it.

    Attributes:
        manifest: source, licence, attribution, checksums.
        groups: in the order of the manifest.
        prototypes: most crystals first.
        elements: (symbol, crystals), most crystals first.
        spreads: of sizes, contacts and energies.
        exclusions: most inputs first.
    """

    manifest: DatasetManifest
    groups: list[GroupCount]
    prototypes: list[PrototypeCount]
    elements: list[tuple[str, int]]
    spreads: list[Spread]
    exclusions: list[ExclusionCount]

    def to_json(self) -> dict[str, Any]:
        """Everything, the manifest under ``manifest``'s own keys."""
        return self.manifest.to_json() | {
            "validation_counts": {str(group.space_group_number): group.validation for group in self.groups},
            "paper_counts": {str(group.space_group_number): group.paper for group in self.groups},
            "groups": [group._asdict() for group in self.groups],
            "prototypes": [prototype._asdict() for prototype in self.prototypes],
            "elements": dict(self.elements),
            "spreads": {
                spread.column: {"known": spread.known, "quantiles": spread.quantiles} for spread in self.spreads
            },
            "exclusions": [exclusion._asdict() for exclusion in self.exclusions],
        }


def data_card(dataset: Dataset) -> DataCard:
    """Read a dataset and tell what it holds.

    Raises:
        DamagedFileError: one of its files is not the manifest's.
    """
    materials = dataset.materials()
    labels = _prototype_labels(materials)
    return DataCard(
        dataset.manifest,
        _groups(dataset.manifest, materials, labels),
        _prototypes(materials, labels),
        _elements(materials),
        [_spread(materials, column) for column in SPREADS],
        _exclusions(dataset.manifest, dataset.exclusions()),
    )


def _prototype_labels(materials: pa.Table) -> list[str]:
    """Wyckoff positions of each crystal, sorted, so that it does not matter which element stands first."""
    letters, multiplicities = materials["wyckoff_letters"].to_pylist(), materials["multiplicities"].to_pylist()
    return [
        " ".join(f"{count}{letter}" for letter, count in sorted(zip(crystal, counts, strict=True)))
        for crystal, counts in zip(letters, multiplicities, strict=True)
    ]


def _groups(manifest: DatasetManifest, materials: pa.Table, labels: Sequence[str]) -> list[GroupCount]:
    numbers = materials["space_group_number"].to_numpy()
    aside, elements = validation_counts(materials), materials["elements"].to_pylist()
    found = []
    for number, count in manifest.counts.items():
        rows = np.flatnonzero(numbers == number).tolist()
        prototypes = len({labels[row] for row in rows})
        n_elements = len({symbol for row in rows for symbol in elements[row]})
        found.append(GroupCount(number, count, aside.get(number, 0), prototypes, n_elements, PAPER_COUNTS.get(number)))
    return found


def _prototypes(materials: pa.Table, labels: Sequence[str]) -> list[PrototypeCount]:
    numbers, formulas = materials["space_group_number"].to_pylist(), materials["reduced_formula"].to_pylist()
    keys = list(zip(numbers, labels, strict=True))
    example = dict(zip(reversed(keys), reversed(formulas), strict=True))
    counted = sorted(Counter(keys).items(), key=lambda item: (-item[1], item[0]))
    return [PrototypeCount(number, label, count, example[number, label]) for (number, label), count in counted]


def _elements(materials: pa.Table) -> list[tuple[str, int]]:
    counted = Counter(symbol for crystal in materials["elements"].to_pylist() for symbol in set(crystal))
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def _spread(materials: pa.Table, column: str) -> Spread:
    values: NDArray[np.float64] = materials[column].drop_null().to_numpy().astype(float)
    quantiles = [round(float(value), 6) for value in np.quantile(values, QUANTILES)] if len(values) else []
    return Spread(column, len(values), quantiles)


def _exclusions(manifest: DatasetManifest, table: pa.Table) -> list[ExclusionCount]:
    first: dict[str, str] = {}
    for row in table.to_pylist():
        first.setdefault(row["reason"], f"{row['input']}: {row['detail']}")
    return [
        ExclusionCount(reason, count, _meaning(reason), first.get(reason, ""))
        for reason, count in manifest.exclusion_counts.items()
    ]


def _meaning(reason: str) -> str:
    """Of a reason; empty for one that a newer crystalforge wrote."""
    known = {str(one): one.meaning for one in ExclusionReason}
    return known.get(reason, "")
