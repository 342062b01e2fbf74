"""The parser's child process: what it reads, what it refuses, and that nothing kills the parent."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from cif_texts import (
    DISORDERED,
    DUMMY,
    FOUR_SITES,
    NAN_CELL,
    OVERLAPPING,
    ROCK_SALT,
    STRONTIUM_TITANATE,
    cubic_cif,
)

from crystalforge.dataset.cif_child import CifChild, ParserLimits
from crystalforge.dataset.cif_parser import CifRecord, parse_crystals
from crystalforge.dataset.exclusion import Exclusion, ExclusionReason, LeftOutError
from crystalforge.dataset.standardise import StandardisedCrystal


@pytest.fixture(scope="module")
def child() -> Iterator[CifChild]:
    child = CifChild(ParserLimits())
    yield child
    child.close()


def reason_of(child: CifChild, cif: str) -> ExclusionReason:
    with pytest.raises(LeftOutError) as caught:
        child.parse(cif)
    assert caught.value.detail
    return caught.value.reason


def big_cif(n_side: int) -> str:
    """A cell of three elements and n_side³ atoms: slow to parse and to search."""
    steps = [i / n_side for i in range(n_side)]
    places = [(x, y, z) for x in steps for y in steps for z in steps]
    return cubic_cif(3.0 * n_side, *((("Sr", "Ti", "O")[i % 3], *place, 1) for i, place in enumerate(places)))


def test_a_perovskite_becomes_three_sites_in_its_hall_setting(child: CifChild) -> None:
    crystal = child.parse(STRONTIUM_TITANATE)
    assert (crystal.space_group_number, crystal.hall_number, crystal.n_atoms_conventional) == (221, 517, 5)
    assert sorted(crystal.atomic_numbers) == [8, 22, 38]
    assert crystal.lattice_parameters == pytest.approx([3.905, 3.905, 3.905, 90, 90, 90])


@pytest.mark.parametrize(
    ("cif", "reason"),
    [
        ("", ExclusionReason.PARSE_FAILED),
        ("not a CIF \x00\xff ümlaut", ExclusionReason.PARSE_FAILED),
        ("data_x\nloop_\n_atom_site_label\n", ExclusionReason.PARSE_FAILED),
        (STRONTIUM_TITANATE[: len(STRONTIUM_TITANATE) // 2], ExclusionReason.PARSE_FAILED),
        (STRONTIUM_TITANATE.replace("3.905", "0"), ExclusionReason.PARSE_FAILED),
        (NAN_CELL, ExclusionReason.BAD_CELL),
        (DISORDERED, ExclusionReason.DISORDERED),
        (ROCK_SALT, ExclusionReason.NOT_TERNARY),
        (OVERLAPPING, ExclusionReason.SYMMETRY_NOT_FOUND),
        (FOUR_SITES, ExclusionReason.NOT_THREE_SITES),
        (DUMMY, ExclusionReason.UNKNOWN_ELEMENT),
    ],
)
def test_each_unfit_cif_has_its_reason(child: CifChild, cif: str, reason: ExclusionReason) -> None:
    assert reason_of(child, cif) is reason


def test_a_child_that_takes_too_long_is_replaced() -> None:
    child = CifChild(ParserLimits(wall_seconds=1.0))
    try:
        assert child.parse(STRONTIUM_TITANATE).space_group_number == 221
        start = time.monotonic()
        assert reason_of(child, big_cif(30)) is ExclusionReason.PARSE_TIMEOUT
        assert time.monotonic() - start < 5
        assert child.parse(STRONTIUM_TITANATE).space_group_number == 221
    finally:
        child.close()


def test_processor_time_and_memory_are_limited() -> None:
    for limits, reason in (
        (ParserLimits(cpu_seconds=1), ExclusionReason.PARSE_TIMEOUT),
        (ParserLimits(memory_mib=8), ExclusionReason.PARSE_MEMORY),
    ):
        child = CifChild(limits)
        try:
            assert reason_of(child, big_cif(30)) is reason
        finally:
            child.close()


def test_many_cifs_come_back_in_order_past_a_crash() -> None:
    cifs = [STRONTIUM_TITANATE, "garbage", big_cif(30), ROCK_SALT, STRONTIUM_TITANATE]
    records = [CifRecord(f"row {i}", f"id-{i}", cif) for i, cif in enumerate(cifs)]
    left_out = Exclusion("row x", ExclusionReason.TOO_LARGE, "as the source says")
    results = list(parse_crystals([*records, left_out], ParserLimits(wall_seconds=1.0), n_children=2))
    found = [result.reason if isinstance(result, Exclusion) else result[0].material_id for result in results]
    assert found == ["id-0", "parse_failed", "parse_timeout", "not_ternary", "id-4", "too_large"]
    assert isinstance(results[0], tuple)
    assert isinstance(results[0][1], StandardisedCrystal)
