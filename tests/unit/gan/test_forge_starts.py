"""Starts: modes, their support, and the kriging within one."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from crystalforge.crystals.rows import batch_from_table
from crystalforge.gan.forge.crystals import Donors, find_donors
from crystalforge.gan.forge.knowledge import Knowledge
from crystalforge.gan.forge.learning import learn, structures_of
from crystalforge.gan.forge.starts import find_starts
from crystalforge.gan.forge.validation import MISPLACED, displacements


@pytest.fixture(scope="module")
def knowledge(bundled_materials: pa.Table) -> Knowledge:
    """Of the bundled crystals of space group 62."""
    crystals = bundled_materials.filter(pc.equal(bundled_materials["space_group_number"], 62))
    return learn(batch_from_table(crystals), 3)


def _donors(knowledge: Knowledge, n: int) -> Donors:
    known = knowledge.known
    return find_donors(known, known.code, known.atomic_numbers, n, leave_out_same=True)


def test_supports_are_shares_in_descending_order(knowledge: Knowledge) -> None:
    starts = find_starts(knowledge, knowledge.suggested, _donors(knowledge, 12), 4)
    assert ((starts.support >= 0) & (starts.support <= 1 + 1e-5)).all()
    assert (starts.support.diff(dim=1) <= 1e-6).all()
    assert (starts.support[:, 1] > 0).any() and (starts.support[:, 3] == 0).any()


def test_one_donor_is_copied(knowledge: Knowledge) -> None:
    donors = _donors(knowledge, 1)
    starts = find_starts(knowledge, knowledge.suggested, donors, 1)
    rows = donors.exists[:, 0]
    copied = donors.index[rows, 0]
    torch.testing.assert_close(starts.parameters[rows, 0], knowledge.known.parameters[copied], atol=1e-5, rtol=0)
    torch.testing.assert_close(starts.log_ratios[rows, 0], knowledge.known.log_ratios[copied], atol=1e-5, rtol=0)


def test_a_crystal_among_its_donors_is_found_again(knowledge: Knowledge) -> None:
    known = knowledge.known
    donors = find_donors(known, known.code, known.atomic_numbers, 12)
    starts = find_starts(knowledge, knowledge.suggested, donors, 1)
    off = displacements(knowledge, known.code, starts.parameters[:, 0], structures_of(known)).amax(dim=1)
    assert (off < 0.05).float().mean() > 0.9


def test_starts_do_not_depend_on_what_stands_beside_them(knowledge: Knowledge) -> None:
    donors, rows = _donors(knowledge, 12), torch.tensor([5, 0, 9])
    whole = find_starts(knowledge, knowledge.suggested, donors, 2)
    part = find_starts(knowledge, knowledge.suggested.take(rows), donors.take(rows), 2)
    torch.testing.assert_close(part.parameters, whole.parameters[rows], atol=1e-5, rtol=0)


def test_kriged_sites_are_nearer_the_truth_than_those_of_the_nearest_donor(knowledge: Knowledge) -> None:
    known = structures_of(knowledge.known)
    errors = []
    for n_donors in (1, 24):
        starts = find_starts(knowledge, knowledge.suggested, _donors(knowledge, n_donors), 1)
        off = displacements(knowledge, knowledge.known.code, starts.parameters[:, 0], known)
        errors.append(off.square().mean(dim=1).sqrt())
    copied, kriged = errors
    placed = (copied < MISPLACED) & (kriged < MISPLACED)
    assert placed.sum() > 40 and kriged[placed].median() < copied[placed].median()
