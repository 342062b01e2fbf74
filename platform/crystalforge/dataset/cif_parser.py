"""Parse and standardise many crystals in child processes side by side; the answers come in the order of the inputs."""

from __future__ import annotations

import os
import queue
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from crystalforge.dataset.cif_child import CifChild, ParserLimits
from crystalforge.dataset.exclusion import Exclusion, LeftOutError
from crystalforge.dataset.standardise import StandardisedCrystal

MOST_CHILDREN = 4
PENDING_PER_CHILD = 4
"""Texts read ahead of the parsers; bounds the memory."""


@dataclass(frozen=True)
class CifRecord:
    """A CIF to parse.

    Attributes:
        input: file, or file and row.
        material_id: identifier in the source.
        cif: the text.
        properties: ``formation_energy_per_atom`` and the like, from the source.
    """

    input: str
    material_id: str
    cif: str = field(repr=False)
    properties: dict[str, float | None] = field(default_factory=dict)

    def question(self) -> dict[str, Any]:
        """What the child process is sent: the text alone."""
        return {"cif": self.cif}


@dataclass(frozen=True)
class UnitCell:
    """A crystal as servers give it: cell and all atoms, in any setting.

    Attributes:
        lattice: (3, 3) rows a, b, c (Å).
        frac_coords: (n_atoms, 3).
        atomic_numbers: (n_atoms,).
    """

    lattice: list[list[float]]
    frac_coords: list[list[float]]
    atomic_numbers: list[int]


@dataclass(frozen=True)
class UnitCellRecord:
    """Cell and atoms to standardise.

    Attributes:
        input: what a report calls it.
        material_id: identifier in the source.
        unit_cell: cell and atoms.
        properties: ``formation_energy_per_atom`` and the like, from the source.
    """

    input: str
    material_id: str
    unit_cell: UnitCell = field(repr=False)
    properties: dict[str, float | None] = field(default_factory=dict)

    def question(self) -> dict[str, Any]:
        """What the child process is sent: cell and atoms alone."""
        return {"unit_cell": asdict(self.unit_cell)}


CrystalRecord = CifRecord | UnitCellRecord
"""An input that the child process can make a crystal of."""
Parsed = tuple[CrystalRecord, StandardisedCrystal] | Exclusion


def parse_crystals(
    records: Iterable[CrystalRecord | Exclusion], limits: ParserLimits, n_children: int | None = None
) -> Iterator[Parsed]:
    """Parse and standardise many crystals side by side; answers come in the order of the records.

    Args:
        records: CIFs, or cells with their atoms, or inputs that the source itself left out; these pass through.
        limits: of one crystal.
        n_children: processes; default one per core, at most four.
    """
    count = n_children or min(os.cpu_count() or 1, MOST_CHILDREN)
    children = [CifChild(limits) for _ in range(count)]
    idle: queue.SimpleQueue[CifChild] = queue.SimpleQueue()
    for child in children:
        idle.put(child)

    def work(record: CrystalRecord | Exclusion) -> Parsed:
        if isinstance(record, Exclusion):
            return record
        child = idle.get()
        try:
            return record, child.answer(record.question())
        except LeftOutError as error:
            return Exclusion(record.input, error.reason, error.detail)
        finally:
            idle.put(child)

    pool = ThreadPoolExecutor(count, thread_name_prefix="cif-parser")
    pending: deque[Future[Parsed]] = deque()
    try:
        for record in records:
            pending.append(pool.submit(work, record))
            if len(pending) >= PENDING_PER_CHILD * count:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.kill()
        pool.shutdown(wait=True)
        for child in children:
            child.close()
