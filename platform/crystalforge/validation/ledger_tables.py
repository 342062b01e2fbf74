"""Tables of the ledger, as SQLite has them. Times are seconds since 1970 (UTC)."""

from __future__ import annotations

from crystalforge.validation.states import AttemptState, CalculationState

LEDGER_VERSION = 2


def _one_of(states: type[CalculationState] | type[AttemptState]) -> str:
    return ", ".join(f"'{state.value}'" for state in states)


TABLES_SQL = f"""
CREATE TABLE recipes (
    recipe_hash TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    engine TEXT NOT NULL,
    content TEXT NOT NULL                     -- JSON of the whole recipe; its resources are those last enqueued with
) STRICT;

CREATE TABLE calculations (
    calculation_id INTEGER PRIMARY KEY,
    crystal_id TEXT NOT NULL,
    recipe_hash TEXT NOT NULL REFERENCES recipes,
    state TEXT NOT NULL CHECK (state IN ({_one_of(CalculationState)})),
    priority REAL NOT NULL,                   -- the higher, the sooner
    formula TEXT NOT NULL,
    space_group_number INTEGER,
    crystal TEXT NOT NULL,                    -- JSON of the cell
    ready_at REAL NOT NULL,                   -- not to be dispatched before
    n_attempts INTEGER NOT NULL DEFAULT 0,
    retried_after INTEGER NOT NULL DEFAULT 0, -- attempts up to this number are forgiven, by a person
    token INTEGER NOT NULL DEFAULT 0,         -- of its latest attempt: the fence
    corrections TEXT NOT NULL DEFAULT '{{}}', -- JSON: those of its next attempt
    reason TEXT,                              -- why it is failed, quarantined, paused or cancelled
    formation_energy_per_atom REAL,
    energy_above_hull REAL,
    hull_reference TEXT,
    enqueued_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    structure TEXT NOT NULL DEFAULT 'generated', -- which cell of the crystal is computed
    element TEXT,                             -- that it is the reference of
    missing_elements TEXT,                    -- why it has no formation energy, or no energy above hull
    systems_without_reference TEXT,           -- where the hull may be too high
    UNIQUE (crystal_id, recipe_hash)
) STRICT;

CREATE INDEX calculations_by_turn ON calculations (state, priority DESC, calculation_id);

CREATE TABLE attempts (
    attempt_id TEXT PRIMARY KEY,
    calculation_id INTEGER NOT NULL REFERENCES calculations,
    number INTEGER NOT NULL,                  -- of its calculation, from 1
    token INTEGER NOT NULL UNIQUE,            -- grows with every attempt of the ledger
    state TEXT NOT NULL CHECK (state IN ({_one_of(AttemptState)})),
    host TEXT,
    lease_until REAL NOT NULL,                -- until then it may be alive where we cannot look
    corrections TEXT NOT NULL,
    intended_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    error_class TEXT,
    error_text TEXT,
    energy_ev REAL,
    n_atoms INTEGER,
    wall_s REAL,
    cpu_s REAL,
    max_memory_mb REAL,
    exit_code INTEGER,
    result_sha256 TEXT,
    late_result INTEGER NOT NULL DEFAULT 0,   -- came after it was superseded: evidence only
    code_version TEXT NOT NULL,
    UNIQUE (calculation_id, number)
) STRICT;

CREATE UNIQUE INDEX one_result ON attempts (calculation_id) WHERE state = '{AttemptState.ACCEPTED}';
CREATE INDEX attempts_in_flight ON attempts (state)
    WHERE state IN ('{AttemptState.INTENDED}', '{AttemptState.RUNNING}');
"""

MIGRATIONS = {
    1: (
        "ALTER TABLE calculations ADD COLUMN structure TEXT NOT NULL DEFAULT 'generated'",
        "ALTER TABLE calculations ADD COLUMN element TEXT",
        "ALTER TABLE calculations ADD COLUMN missing_elements TEXT",
        "ALTER TABLE calculations ADD COLUMN systems_without_reference TEXT",
    ),
}
"""From each earlier version to the next."""
