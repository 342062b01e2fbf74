"""The parameters of a request: what each means, and how its text is read. The page of the API is made from them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from crystalforge.crystals.elements import SYMBOLS
from crystalforge.errors import UsageError
from crystalforge.explore.filters import Filters, Source
from crystalforge.explore.questions import SORTABLE, Page
from crystalforge.gan.constraints import Stoichiometry
from crystalforge.symmetry import hall_number_of

LONGEST_TEXT = 4000
"""Characters of a value."""
MAX_PAGE = 500
MAX_NAMED = 500
"""Crystals that a download may name one by one."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_SPLIT = re.compile(r"[\s,]+")


def _symbols(text: str) -> tuple[str, ...]:
    symbols = tuple(dict.fromkeys(part for part in _SPLIT.split(text) if part))
    unknown = [symbol for symbol in symbols if symbol not in SYMBOLS[1:]]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no element: expected symbols joined by commas, as Li,O.")
    return symbols


def _space_groups(text: str) -> tuple[int, ...]:
    numbers = tuple(dict.fromkeys(_integer(0, 10**9)(part) for part in _SPLIT.split(text) if part))
    for number in numbers:
        hall_number_of(number)
    return numbers


def _integer(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,12}", text, re.ASCII) or not least <= int(text) <= most:
            raise UsageError(f"expected a whole number from {least} to {most}, got {text[:40]!r}.")
        return int(text)

    return read


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise UsageError(f"expected a number, got {text[:40]!r}.")
    return float(text)


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise UsageError(f"expected 0 or 1, got {text[:40]!r}.")
    return text == "1"


def _formula(text: str) -> str:
    Stoichiometry.parse(text)
    return text


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """Reads a text that is one of these."""
    allowed = tuple(names)

    def read(text: str) -> str:
        if text not in allowed:
            raise UsageError(f"expected one of {', '.join(allowed)}, got {text[:40]!r}.")
        return text

    return read


def _source(text: str) -> Source:
    return Source(one_of(Source)(text))


def _text(text: str) -> str:
    return text


@dataclass(frozen=True)
class Parameter:
    """A parameter of a request."""

    name: str
    read: Callable[[str], Any]
    about: str
    example: str


FILTERS = (
    Parameter("source", _source, "candidates (drawn and accepted) or materials (real)", "materials"),
    Parameter("elements", _symbols, "Elements that a crystal has", "Li,O"),
    Parameter("only", _flag, "1: no elements but those", "1"),
    Parameter("without", _symbols, "Elements that it does not have", "Pb,Hg"),
    Parameter("formula", _formula, "Reduced formula in any order, or anonymous", "ABX3"),
    Parameter("space_groups", _space_groups, "Space group numbers", "225,221"),
    Parameter("max_energy_above_hull", _number, "Energy above hull at most (eV/atom)", "0.1"),
    Parameter("screened", _flag, "1: with an energy above hull", "1"),
    Parameter("covered", _flag, "1: the hull has compounds in all systems of its elements", "1"),
    Parameter("computed", _flag, "1: with an energy above hull by a calculation", "1"),
    Parameter("new", _flag, "1: no real crystal has its formula and space group", "1"),
    Parameter("one_of_each", _flag, "1: of those of one formula in one space group only the best", "1"),
    Parameter("min_atoms", _integer(1, 10_000), "Atoms in the primitive cell, at least", "3"),
    Parameter("max_atoms", _integer(1, 10_000), "Atoms in the primitive cell, at most", "10"),
    Parameter("origin", _text, "Generation or dataset", "94b1055ab0"),
    Parameter("where", _text, "Condition in SQL on the columns of crystals", "density > 8 AND a < 5"),
)
PAGE = (
    Parameter("sort", one_of(SORTABLE), f"Column to sort by: {', '.join(SORTABLE)}", "density"),
    Parameter("descending", _flag, "1: the largest first", "1"),
    Parameter("limit", _integer(1, MAX_PAGE), f"Rows of the answer, at most {MAX_PAGE}", "50"),
    Parameter("offset", _integer(0, 10**9), "Rows to pass over", "100"),
)
NAME = (
    Parameter("source", FILTERS[0].read, FILTERS[0].about, "candidates"),
    Parameter("origin", _text, "Generation or dataset; may be left out", "94b1055ab0"),
    Parameter("id", _text, "Its source_id: sample_id or material_id", "94b1055ab0-225-17"),
)


def read_filters(pairs: Sequence[tuple[str, str]]) -> Filters:
    """The filters among the parameters of a request.

    Raises:
        UsageError: a value is not what its parameter expects.
    """
    return Filters(**read_values(FILTERS, pairs))


def read_page(pairs: Sequence[tuple[str, str]]) -> Page:
    """Order and place among the parameters of a request.

    Raises:
        UsageError: a value is not what its parameter expects.
    """
    return Page(**read_values(PAGE, pairs))


def read_name(pairs: Sequence[tuple[str, str]]) -> dict[str, str | None]:
    """``source``, ``origin`` and ``source_id`` of one crystal.

    Raises:
        UsageError: there is no id, or a value is not what its parameter expects.
    """
    values = read_values(NAME, pairs)
    if "id" not in values:
        raise UsageError("id is missing: expected the source_id of a crystal.")
    return {
        "source": str(values.get("source", Source.CANDIDATES)),
        "origin": values.get("origin"),
        "source_id": values["id"],
    }


def refuse_unknown(pairs: Sequence[tuple[str, str]], *known: Sequence[Parameter], more: Sequence[str] = ()) -> None:
    """Refuse names that a request does not have, names given twice, and values of enormous length.

    Raises:
        UsageError: says which, and what there is.
    """
    names = [parameter.name for group in known for parameter in group]
    seen: set[str] = set()
    for name, text in pairs:
        if name not in names and name not in more:
            raise UsageError(f"No parameter {name[:40]!r}: expected one of {', '.join([*names, *more])}.")
        if name in seen and name not in more:
            raise UsageError(f"{name} is given twice: expected one value; lists are joined by commas.")
        if len(text) > LONGEST_TEXT or "\x00" in text:
            raise UsageError(f"{name}: expected at most {LONGEST_TEXT} characters and no NUL, got {len(text)}.")
        seen.add(name)


def read_values(parameters: Sequence[Parameter], pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Values by name, of those parameters that are among the pairs; an empty text is as good as none.

    Raises:
        UsageError: a value is not what its parameter expects.
    """
    by_name = {parameter.name: parameter for parameter in parameters}
    values = {}
    for name, text in pairs:
        if name in by_name and text.strip():
            try:
                values[name] = by_name[name].read(text.strip())
            except UsageError as error:
                raise UsageError(f"{name}: {error}") from error
    return values
