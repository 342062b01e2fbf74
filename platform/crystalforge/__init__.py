"""crystalforge: discovers inorganic crystals with physics-guided GANs, one per space group.

The steps of the command line as functions, imported when they are first asked for:

    import crystalforge

    crystalforge.build_dataset("bundled")
    crystalforge.train_all()
    crystalforge.generate(50_000)
    frame = crystalforge.sql("SELECT * FROM candidates WHERE space_group_number = 225 LIMIT 10")
    structure = crystalforge.to_structure(frame.iloc[0])

``__init__.pyi`` names the same for editors and type checkers.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "build_dataset": "steps.datasets",
    "train_all": "steps.trainings",
    "generate": "steps.generations",
    "screen": "steps.screenings",
    "sql": "steps.queries",
    "export_crystals": "steps.exports",
    "to_structure": "crystals.structures",
}
"""Where each public function stands."""

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    """Import a function when it is first asked for, so that ``import crystalforge`` costs nothing."""
    if name not in _MODULES:
        raise AttributeError(f"module 'crystalforge' has no attribute {name!r}: it offers {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
