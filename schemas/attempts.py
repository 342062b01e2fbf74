"""Tables of the queue: ``attempts`` (each run of a calculation) and ``validations`` (each crystal by each recipe)."""

from __future__ import annotations

import pyarrow as pa

from crystalforge.schemas.columns import LABEL, STRING, column, table_schema

ATTEMPTS = table_schema(
    "attempts",
    1,
    [
        column("attempt_id", STRING, "Name of the attempt and of its folder"),
        column("calculation_id", pa.int64(), "Calculation in the ledger: one crystal by one recipe"),
        column("crystal_id", STRING, "Hash of the canonical content: equal crystals share it"),
        column("recipe_hash", LABEL, "Hash of what decides the energy; energies of different hashes share no hull"),
        column("engine", LABEL, "Code that computed; stand-in is none, its energies are invented"),
        column("number", pa.int32(), "Which attempt of its calculation, from 1"),
        column("token", pa.int64(), "Fence: grows with every attempt of the ledger"),
        column("state", LABEL, "intended, running, accepted, failed or superseded"),
        column("host", LABEL, "Machine it ran on", nullable=True),
        column("corrections", STRING, "What was changed after earlier errors (JSON)"),
        column("error_class", LABEL, "Class of its error", nullable=True),
        column("error_text", STRING, "What the error said", nullable=True),
        column("energy", pa.float64(), "Total energy of its cell (eV)", nullable=True),
        column("n_atoms", pa.int32(), "Atoms in that cell", nullable=True),
        column("wall_s", pa.float64(), "Time it took (s)", nullable=True),
        column("cpu_s", pa.float64(), "Processor time of all its processes (s)", nullable=True),
        column("max_memory_mb", pa.float64(), "Memory of its largest process (MB)", nullable=True),
        column("exit_code", pa.int32(), "Of its program; below 0 the signal that ended it", nullable=True),
        column("late_result", pa.bool_(), "Its result came after it was superseded: evidence only"),
        column("result_sha256", STRING, "Checksum of its result file", nullable=True),
        column("code_version", LABEL, "crystalforge that dispatched it"),
        column("intended_at", STRING, "When it was written down (ISO 8601)"),
        column("started_at", STRING, "When it was seen to begin (ISO 8601)", nullable=True),
        column("finished_at", STRING, "When its end was recorded (ISO 8601)", nullable=True),
    ],
)

VALIDATIONS = table_schema(
    "validations",
    2,
    [
        column("calculation_id", pa.int64(), "Calculation in the ledger: one crystal by one recipe"),
        column("crystal_id", STRING, "Hash of the canonical content: equal crystals share it"),
        column("formula", STRING, "Reduced formula"),
        column("space_group_number", pa.int16(), "Space group it was drawn in, 1 to 230", nullable=True),
        column("recipe", LABEL, "Name of the recipe"),
        column("recipe_hash", LABEL, "Hash of what decides the energy; energies of different hashes share no hull"),
        column("engine", LABEL, "Code that computes; stand-in is none, its energies are invented"),
        column(
            "state",
            LABEL,
            "ready, dispatching, running, validated, unstable, failed, quarantined, paused or cancelled",
        ),
        column("priority", pa.float64(), "The higher, the sooner"),
        column("n_attempts", pa.int32(), "Attempts so far"),
        column("reason", STRING, "Why it is failed, quarantined, paused or cancelled", nullable=True),
        column("attempt_id", STRING, "Attempt whose result was accepted", nullable=True),
        column("energy_per_atom", pa.float64(), "Total energy (eV/atom), on the recipe's own scale", nullable=True),
        column("formation_energy_per_atom", pa.float64(), "Formation energy (eV/atom)", nullable=True),
        column("energy_above_hull", pa.float64(), "Energy above hull (eV/atom)", nullable=True),
        column("hull_reference", LABEL, "Name of the hull's reference and correction", nullable=True),
        column("wall_s", pa.float64(), "Time of the accepted attempt (s)", nullable=True),
        column("cpu_s", pa.float64(), "Processor time of the accepted attempt (s)", nullable=True),
        column("enqueued_at", STRING, "When it was enqueued (ISO 8601)"),
        column("changed_at", STRING, "When its state last changed (ISO 8601)"),
        column("n_atoms", pa.int32(), "Atoms in the cell that was computed", since=2),
        column("structure", LABEL, "Cell that is computed: generated, relaxed (by a screening) or reference", since=2),
        column("element", LABEL, "Element that it is the reference of; null for a compound", since=2),
        column("missing_elements", STRING, "Elements for which it has no formation or hull energy", since=2),
        column("systems_without_reference", STRING, "Systems without a compound in the hull's reference", since=2),
    ],
)
