"""A queue that is real but small: the stand-in engine, crystals of one atom, limits of seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil

from crystalforge.validation.attempt import AttemptOrder, run_attempt
from crystalforge.validation.claims import ATTEMPTS_FOLDER, claim, record
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.leftovers import MARK
from crystalforge.validation.recipe import CalculationRecipe, recipe_from_values
from crystalforge.validation.states import AttemptState


def stand_in_recipe(name: str = "test", resources: dict[str, Any] | None = None, **options: Any) -> CalculationRecipe:
    """A recipe of the stand-in engine with short limits."""
    limits = {"cores": 0.5, "memory_mb": 300, "walltime_s": 20, "grace_s": 0.3} | (resources or {})
    values = {
        "name": name,
        "engine": "stand-in",
        "physics": {"task": "static", "functional": "none"},
        "options": options,
        "resources": limits,
    }
    return recipe_from_values(values, name)


def crystals(count: int, prefix: str = "X") -> list[Crystal]:
    """Crystals of one atom, by the names X0, X1, …"""
    return [
        Crystal(f"{prefix}{index}", f"{prefix}{index}", 4 * np.eye(3), np.zeros((1, 3)), np.array([11]), 221)
        for index in range(count)
    ]


def order_in(folder: Path, recipe: CalculationRecipe, number: int = 1, **corrections: float) -> AttemptOrder:
    """An order that no ledger gave."""
    crystal = crystals(1)[0].to_json()
    return AttemptOrder(folder.name, 1, 1, number, str(folder), crystal, recipe.model_dump(), corrections)


def work_off(ledger: Ledger) -> list[tuple[str, AttemptState]]:
    """Claim what is ready, run it here, record it: name of the crystal and what became of the attempt."""
    return [
        (order.crystal["formula"], record(ledger, order.attempt_id, run_attempt(order))) for order in claim(ledger, 100)
    ]


def marked_processes(*attempt_ids: str) -> list[psutil.Process]:
    """Processes of some attempts. Those of others, as of a queue that somebody works off meanwhile, are not ours."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) in attempt_ids and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def processes_of(validations: Path) -> list[psutil.Process]:
    """Processes of all attempts of a queue."""
    folder = validations / ATTEMPTS_FOLDER
    return marked_processes(*(path.name for path in folder.iterdir())) if folder.is_dir() else []
