"""Parse many CIFs in child processes side by side; the answers come in the order of the inputs."""

from __future__ import annotations

import os
import queue
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

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


Parsed = tuple[CifRecord, StandardisedCrystal] | Exclusion


def parse_cifs(
    records: Iterable[CifRecord | Exclusion], limits: ParserLimits, n_children: int | None = None
) -> Iterator[Parsed]:
    """Parse many CIFs side by side; answers come in the order of the records.

    Args:
        records: CIFs, or inputs that the source itself left out; these pass through.
        limits: of one CIF.
        n_children: processes; default one per core, at most four.
    """
    count = n_children or min(os.cpu_count() or 1, MOST_CHILDREN)
    children = [CifChild(limits) for _ in range(count)]
    idle: queue.SimpleQueue[CifChild] = queue.SimpleQueue()
    for child in children:
        idle.put(child)

    def work(record: CifRecord | Exclusion) -> Parsed:
        if isinstance(record, Exclusion):
            return record
        child = idle.get()
        try:
            return record, child.parse(record.cif)
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
