"""Plans: shares add up, shards cover every index once, and the plan's hash is what decides the bytes."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystalforge.errors import UsageError
from crystalforge.gan.constraints import Constraints
from crystalforge.gan.request import Request
from crystalforge.generation.plan import GenerationPlan, share_out

WEIGHTS = {225: 4653, 71: 2251, 62: 900, 227: 421}


def _plan(**changes: object) -> GenerationPlan:
    plan = GenerationPlan(
        training_id="t",
        dataset_id="d",
        seed=1,
        count=25,
        counts={62: 5, 225: 20},
        models={62: "x", 225: "y"},
        shard_size=8,
    )
    return dataclasses.replace(plan, **changes)


@given(st.integers(1, 10**7), st.dictionaries(st.integers(1, 230), st.integers(1, 5000), min_size=1, max_size=12))
def test_shares_add_up_and_follow_the_weights(count: int, weights: dict[int, int]) -> None:
    counts = share_out(count, weights)
    assert sum(counts.values()) == count
    total = sum(weights.values())
    assert all(abs(counts.get(number, 0) - count * weight / total) < 1 for number, weight in weights.items())


def test_fifty_thousand_are_exactly_fifty_thousand() -> None:
    assert sum(share_out(50_000, WEIGHTS).values()) == 50_000
    assert share_out(50_000, dict.fromkeys(WEIGHTS, 1)) == dict.fromkeys(WEIGHTS, 12_500)


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_that_is_not_positive_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match=rf"--count must be a positive number of samples, got {count}"):
        share_out(count, WEIGHTS)


def test_shards_cover_every_index_once_whatever_their_size() -> None:
    for shard_size in (1, 7, 8, 1000):
        covered = [
            (shard.space_group_number, shard.first_index + i)
            for shard in _plan(shard_size=shard_size).shards()
            for i in range(shard.n_samples)
        ]
        assert sorted(covered) == [(62, i) for i in range(5)] + [(225, i) for i in range(20)]
        assert max(shard.n_samples for shard in _plan(shard_size=shard_size).shards()) <= shard_size


def test_the_identifier_changes_with_all_that_decides_the_bytes() -> None:
    changes = [
        {},
        {"seed": 2},
        {"training_id": "u"},
        {"count": 26, "counts": {62: 6, 225: 20}},
        {"models": {62: "x", 225: "z"}},
        {"shard_size": 9},
        {"min_contact_ratio": 0.8},
        {"request": Request(distinct=True)},
        {"request": Request(Constraints(elements_in=("Li",)))},
    ]
    assert len({_plan(**change).generation_id for change in changes}) == len(changes)
    assert _plan(counts={225: 20, 62: 5}).generation_id == _plan().generation_id


@pytest.mark.parametrize("request_", [Request(), Request(Constraints(formula="ABX3"), temperature=2.0)])
def test_a_plan_survives_json(request_: Request) -> None:
    plan = _plan(request=request_)
    written = json.loads(json.dumps(plan.to_json()))
    assert GenerationPlan.from_json(written) == plan
    assert GenerationPlan.from_json(written).generation_id == plan.generation_id


def test_a_plan_that_asks_for_nothing_is_that_of_earlier_versions() -> None:
    assert "request" not in _plan().to_json()
    assert _plan().generation_id == "4b39bbeb9f"


def test_every_shard_has_a_seed_of_its_own() -> None:
    plan = _plan()
    states = {tuple(plan.shard_seed(shard).generate_state(4)) for shard in plan.shards()}
    assert len(states) == len(plan.shards())
