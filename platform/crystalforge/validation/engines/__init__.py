"""The codes that compute: one file each, behind the contract in ``contract``."""

from __future__ import annotations

from crystalforge.errors import RecipeError
from crystalforge.suggestions import hint
from crystalforge.validation.engines.contract import Engine
from crystalforge.validation.engines.elk import Elk
from crystalforge.validation.engines.gpaw import Gpaw
from crystalforge.validation.engines.potential import PotentialEngine
from crystalforge.validation.engines.stand_in import StandIn
from crystalforge.validation.engines.vasp import Vasp

ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (Gpaw, Elk, Vasp, PotentialEngine, StandIn)}
"""By the name that a recipe gives."""


def find_engine(name: str) -> Engine:
    """The engine of that name.

    Raises:
        RecipeError: there is none.
    """
    if name not in ENGINES:
        raise RecipeError(f"engine = {name!r}: there is no such engine.{hint(name, ENGINES)}")
    return ENGINES[name]()
