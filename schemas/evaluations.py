"""Tables of an evaluation: ``evaluations`` (one figure each) and ``occurrences`` (what the samples are made of)."""

from __future__ import annotations

import pyarrow as pa

from crystalforge.schemas.columns import LABEL, column, table_schema

EVALUATIONS = table_schema(
    "evaluations",
    1,
    [
        column("generation_id", LABEL, "Generation that was judged"),
        column("reference", LABEL, "Dataset or file of the real crystals set aside"),
        column(
            "held_out", pa.bool_(), "Whether the training left these real crystals out, by its record", nullable=True
        ),
        column("metric", LABEL, "Name of the metric, docs/evaluation.md"),
        column("version", pa.int16(), "Version of its definition"),
        column("definition", LABEL, "What is counted or computed"),
        column("denominator", LABEL, "What n counts"),
        column("unit", LABEL, "Unit of value, low and high; 1 for a share or a ratio"),
        column("space_group_number", pa.int16(), "Space group, 1 to 230; null where all are pooled", nullable=True),
        column("source", LABEL, "generated, baseline:RECIPE, training, validation, or a null"),
        column("source_generation_id", LABEL, "Generation of the source; null for others", nullable=True),
        column("value", pa.float64(), "The figure; null where n is too small for one", nullable=True),
        column("low", pa.float64(), "Lower end of its 95 % bootstrap interval", nullable=True),
        column("high", pa.float64(), "Upper end of its 95 % bootstrap interval", nullable=True),
        column("n", pa.int64(), "Denominator of the figure"),
        column("n_samples", pa.int64(), "Samples of the source, rejected ones included"),
    ],
)

OCCURRENCES = table_schema(
    "occurrences",
    1,
    [
        column("generation_id", LABEL, "Generation that was judged"),
        column("kind", LABEL, "template (Wyckoff letters) or element"),
        column("space_group_number", pa.int16(), "Space group, 1 to 230"),
        column("name", LABEL, "Wyckoff letters of the three sites, sorted, or symbol of the element"),
        column("source", LABEL, "generated, baseline:RECIPE, training, validation, or a null"),
        column("count", pa.int64(), "Crystals of the template; sites that the element takes"),
        column("share", pa.float64(), "Of all crystals, or of all sites, of the source in the space group"),
    ],
)
