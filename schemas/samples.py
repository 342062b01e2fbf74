"""Table ``samples``: one row per drawn sample, accepted or rejected with its reason."""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

from crystalforge.schemas.columns import (
    CELL_COLUMNS,
    LABEL,
    STRING,
    THREE_INTEGERS,
    THREE_SITES,
    THREE_STRINGS,
    column,
    composition_columns,
    table_schema,
)


class SampleStatus(StrEnum):
    """What became of a sample."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


class RejectReason(StrEnum):
    """Why a sample was rejected; the first that holds, in this order."""

    NOT_FINITE = "not_finite"
    """The network gave a coordinate or a length that is not a number."""
    PERCOLATES = "percolates"
    """Overlapping atoms of one orbit join into a cluster without end: it has no centre."""
    ATOMS_TOO_CLOSE = "atoms_too_close"
    """The least contact is below the floor of the generation, or unknown."""
    VOLUME_OUT_OF_RANGE = "volume_out_of_range"
    """The volume per atom lies outside the window of the training crystals."""
    FAILED = "failed"
    """The crystal raised an error, which the worker's log names."""


SAMPLES = table_schema(
    "samples",
    1,
    [
        column("sample_id", STRING, "Generation, space group and index: unique"),
        column("crystal_id", STRING, "Hash of the canonical content: equal crystals share it", nullable=True),
        column("generation_id", LABEL, "Generation that drew the sample"),
        column("training_id", LABEL, "Training whose model drew it"),
        column("model_checksum", LABEL, "SHA-256 of the model's weights"),
        column("seed", pa.int64(), "Seed of the generation"),
        column("shard", pa.int32(), "Shard within the space group, from 0"),
        column("index", pa.int64(), "Index within the space group, from 0"),
        column("space_group_number", pa.int16(), "Space group the model draws, 1 to 230"),
        column("hall_number", pa.int16(), "Hall number of the setting of cell and sites, 1 to 530"),
        column("status", LABEL, "accepted or rejected"),
        column("reject_reason", LABEL, "Why it was rejected", nullable=True),
        column("elements", THREE_STRINGS, "Elements of the three representative sites, by electronegativity"),
        column("base_frac_coords", THREE_SITES, "Representative sites after merging (fractional)", nullable=True),
        column("raw_frac_coords", THREE_SITES, "Sites as drawn, before merging (fractional)"),
        column("wyckoff_letters", THREE_STRINGS, "Wyckoff letters of the merged sites", nullable=True),
        column("multiplicities", THREE_INTEGERS, "Multiplicities in the conventional cell", nullable=True),
        *CELL_COLUMNS,
        *composition_columns(nullable=True),
        column(
            "space_group_found",
            pa.int16(),
            "Space group by symmetry search (symprec 0.01 Å); of accepted crystals, the first in its shard",
            nullable=True,
        ),
    ],
)
