"""What is asked of a build: source, name, space groups, filters, licence, and how to ask a server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from crystalforge.dataset.cif_child import ParserLimits
from crystalforge.dataset.filters import Filters
from crystalforge.dataset.servers import FetchOptions
from crystalforge.errors import UsageError
from crystalforge.symmetry import SPACE_GROUPS, hall_number_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class BuildRequest:
    """What is asked of a build.

    Attributes:
        source: ``bundled``, the path of a Parquet file, a CSV with a column ``cif`` or a folder of CIF files,
            ``materials-project``, or ``optimade:`` with a URL or a provider.
        name: of the dataset; default the source's.
        space_groups: those to keep.
        filters: elements and stability.
        licence: of the crystals, where the source states none or another.
        attribution: whom to name, likewise.
        fetching: how to ask a server.
        limits: of the parser.
    """

    source: str
    name: str | None = None
    space_groups: Sequence[int] = SPACE_GROUPS
    filters: Filters = field(default_factory=Filters)
    licence: str | None = None
    attribution: str | None = None
    fetching: FetchOptions = field(default_factory=FetchOptions)
    limits: ParserLimits = field(default_factory=ParserLimits)


def check_space_groups(space_groups: Sequence[int]) -> list[int]:
    """The numbers, each once.

    Raises:
        UsageError: there is none, or one is no space group.
    """
    groups = list(dict.fromkeys(int(number) for number in space_groups))
    if not groups:
        raise UsageError("No space group was asked for: expected at least one number 1 to 230, as 225,62.")
    for number in groups:
        hall_number_of(number)
    return groups


def as_name(text: str) -> str:
    """A file's name, made a dataset's."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:64] or "dataset"


def check_name(name: str) -> str:
    """The name, if a dataset may have it.

    Raises:
        UsageError: it may not.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"The name {name!r} is not possible: expected up to 64 letters, digits, '-' and '_', "
            "beginning with a letter or digit. Give another with --name."
        )
    return name
