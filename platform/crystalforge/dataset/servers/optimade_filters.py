"""The filter that an OPTIMADE server is sent, and the names that servers give to space group and energies.

OPTIMADE standardises structures, not energies: each provider has its own names, below. A name is used where the
server's ``/info/structures`` lists it. Whatever the server does not know of a crystal must not hide it: each clause
lets crystals pass whose value is unknown, and the curation judges them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crystalforge.dataset.filters import Filters
from crystalforge.dataset.servers.entries import finite_number
from crystalforge.errors import MissingDependencyError, UsageError

N_SPACE_GROUPS = 230
STRUCTURE_FIELDS = (
    "lattice_vectors",
    "cartesian_site_positions",
    "species",
    "species_at_sites",
    "dimension_types",
    "nsites",
)
SPACE_GROUP_NUMBER = ("space_group_it_number", "_alexandria_space_group")
"""Integers 1 to 230. Symbols (as OQMD's) are not sent: how a server spells them is not standardised."""
NUMBERS: dict[str, tuple[str, ...]] = {
    "energy_above_hull": ("_alexandria_hull_distance", "_oqmd_stability", "_jarvis_ehull"),
    "formation_energy_per_atom": (
        "_alexandria_formation_energy_per_atom",
        "_oqmd_delta_e",
        "_jarvis_formation_energy_peratom",
    ),
    "band_gap": ("_alexandria_band_gap", "_oqmd_band_gap", "_jarvis_optb88vdw_bandgap"),
}
"""Column of ``materials`` → names of providers (eV/atom, eV/atom, eV)."""
NESTED = "_mp_stability"
"""The Materials Project: an object by kind of calculation, which cannot be filtered by."""
NESTED_KINDS = ("gga_gga+u", "gga_gga+u_r2scan", "r2scan")
"""In this order of preference: the scale of PBE, on which the platform's potentials and hulls are, comes first."""


@dataclass(frozen=True)
class ServerFields:
    """What a server calls what we ask for.

    Attributes:
        space_group_numbers: names of it; several where the standard one is listed beside the provider's own.
        numbers: column of ``materials`` → its name there.
        nested: whether it has ``_mp_stability``.
    """

    space_group_numbers: Sequence[str]
    numbers: Mapping[str, str]
    nested: bool

    def response_fields(self) -> list[str]:
        """What to ask of each crystal."""
        names = [*STRUCTURE_FIELDS, *self.numbers.values()]
        return [*names, NESTED] if self.nested else names


def server_fields(properties: Collection[str]) -> ServerFields:
    """Names of a server, from the properties that it lists."""
    numbers = {column: next((name for name in names if name in properties), "") for column, names in NUMBERS.items()}
    return ServerFields(
        tuple(name for name in SPACE_GROUP_NUMBER if name in properties),
        {column: name for column, name in numbers.items() if name},
        NESTED in properties,
    )


def mandatory_clauses(filters: Filters, own_filter: str | None) -> list[str]:
    """What every server understands: three elements, which ones, which not, and the user's own filter."""
    clauses = ["nelements=3"]
    if filters.elements:
        clauses.append("elements HAS ALL " + ",".join(f'"{symbol}"' for symbol in filters.elements))
    clauses += [f'(NOT elements HAS "{symbol}")' for symbol in filters.exclude_elements]
    if own_filter:
        clauses.append(f"({own_filter})")
    return clauses


def optional_clauses(filters: Filters, space_groups: Sequence[int], names: ServerFields) -> list[str]:
    """What only some servers can be asked: space groups and energy above hull."""
    clauses = []
    for name in names.space_group_numbers if len(space_groups) < N_SPACE_GROUPS else ():
        numbers = [f"{name}={number}" for number in sorted(space_groups)]
        clauses.append(f"({' OR '.join([*numbers, f'{name} IS UNKNOWN'])})")
    energy = names.numbers.get("energy_above_hull")
    if energy and filters.max_energy_above_hull is not None:
        clauses.append(f"({energy}<={filters.max_energy_above_hull:g} OR {energy} IS UNKNOWN)")
    return clauses


def check_own_filter(text: str | None) -> None:
    """Refuse a filter that is not in OPTIMADE's language before any server is asked.

    Raises:
        UsageError: it does not parse.
        MissingDependencyError: the package ``optimade`` is not installed.
    """
    if not text:
        return
    try:
        from optimade.exceptions import BadRequest
        from optimade.filterparser import LarkParser
    except ImportError as error:
        raise MissingDependencyError("OPTIMADE's filters need: pip install 'crystalforge[optimade]'.") from error
    try:
        LarkParser().parse(text)
    except BadRequest as error:
        reason = " ".join(str(error.detail).split())[:300]
        raise UsageError(
            f"--filter {text!r} is not in OPTIMADE's filter language: {reason}. "
            'Expected something as: elements HAS "O" AND nsites<20'
        ) from error


def numbers_of(attributes: Mapping[str, Any], names: ServerFields) -> dict[str, float | None]:
    """Energies and band gap of an entry, by column of ``materials``."""
    found = {column: finite_number(attributes.get(name)) for column, name in names.numbers.items()}
    if names.nested:
        kinds = attributes.get(NESTED)
        by_kind = [kinds.get(kind) for kind in NESTED_KINDS] if isinstance(kinds, dict) else []
        first = next((values for values in by_kind if isinstance(values, dict)), {})
        for column in ("energy_above_hull", "formation_energy_per_atom"):
            found[column] = finite_number(first.get(column))
    return found
