"""What a search finds: the group asked for, a supergroup, or nothing."""

from __future__ import annotations

from written_crystals import Crystal, batch_of, perovskite, tinisi

from crystalforge.evaluation.symmetry_agreement import Agreement, agreements
from crystalforge.evaluation.workers import Workers


def _half_heusler(second: str, a: float = 6.0) -> Crystal:
    sites = (("Al", (0, 0, 0), 4, "a"), (second, (0.5, 0.5, 0.5), 4, "b"), ("Li", (0.25, 0.25, 0.25), 4, "c"))
    return 216, (a, a, a, 90, 90, 90), sites


def _tetragonal(c: float) -> Crystal:
    """A perovskite whose oxygens would be equal if c were a: Sr 1a, Ti 1d, and O at one of the three faces, in 123."""
    sites = (("Zn", (0, 0, 0), 1, "a"), ("Cu", (0.5, 0.5, 0.5), 1, "d"), ("Au", (0.5, 0.5, 0), 1, "c"))
    return 123, (4.0, 4.0, c, 90, 90, 90), sites


def test_what_is_found(here: Workers) -> None:
    collided = (
        221,
        (4.0, 4.0, 4.0, 90, 90, 90),
        (("Sr", (0, 0, 0), 1, "a"), ("Ti", (0, 0, 0), 1, "a"), ("O", (0.5, 0.5, 0), 3, "c")),
    )
    crystals = batch_of(perovskite(), tinisi(), _half_heusler("Si"), _half_heusler("Al"), _tetragonal(5.0), collided)
    found = agreements(crystals, 0.01, here).tolist()
    equal, supergroup, failed = Agreement.EQUAL, Agreement.SUPERGROUP, Agreement.FAILED
    # Two Al make the fluorite structure, 225, of a half Heusler.
    assert found == [equal, equal, equal, supergroup, equal, failed]


def test_the_tolerance_decides(here: Workers) -> None:
    """A Heusler crystal in 139 whose c is 0.03 Å longer than cubic: 225 within 0.1 Å, not within 0.01 Å."""
    sites = (("Al", (0, 0, 0), 2, "a"), ("Mn", (0, 0, 0.5), 2, "b"), ("Cu", (0, 0.5, 0.25), 4, "d"))
    crystals = batch_of((139, (5.95 / 2**0.5, 5.95 / 2**0.5, 5.98, 90, 90, 90), sites))
    assert agreements(crystals, 0.1, here).tolist() == [Agreement.SUPERGROUP]
    assert agreements(crystals, 0.01, here).tolist() == [Agreement.EQUAL]
