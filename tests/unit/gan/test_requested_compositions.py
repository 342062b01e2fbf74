"""What a generation asks of its compositions is met inside the sampling, the same for any cut into shards."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crystalforge.crystals.elements import atomic_number
from crystalforge.errors import CompositionError, RecipeError, UsageError
from crystalforge.gan.compositions import CompositionSampler, Drawn, capacity, draw_requested, fit
from crystalforge.gan.constraints import Constraints
from crystalforge.gan.request import Request
from crystalforge.gan.stretch import Stretch

NUMBER = 221


@pytest.fixture(scope="module")
def sampler(bundled_materials: pa.Table) -> CompositionSampler:
    rows = bundled_materials.filter(pc.equal(bundled_materials["space_group_number"], NUMBER))
    numbers = atomic_number(np.array(rows["elements"].to_pylist()))
    return fit("swap", rows["wyckoff_letters"].to_pylist(), numbers, 0, space_group_number=NUMBER)


def draw(sampler: CompositionSampler, request: Request, n: int = 400, shard_size: int = 400) -> Drawn:
    """As the shards of one generation, the last first."""
    parts = {
        first: draw_requested(
            sampler,
            min(shard_size, n - first),
            np.random.default_rng(first),
            request,
            temperature=1.0,
            stretch=Stretch(first, 0.3, n),
            even=True,
        )
        for first in reversed(range(0, n, shard_size))
    }
    ordered = [parts[first] for first in sorted(parts)]
    return Drawn(*(np.concatenate([getattr(part, name) for part in ordered]) for name in ("letters", "atomic_numbers")))


def rows_of(drawn: Drawn) -> list[tuple[object, ...]]:
    return [(*a, *b) for a, b in zip(drawn.letters.tolist(), drawn.atomic_numbers.tolist(), strict=True)]


def test_distinct_draws_no_composition_twice_whatever_the_shards(sampler: CompositionSampler) -> None:
    request = Request(Constraints(elements_in=("O",)), distinct=True)
    whole = rows_of(draw(sampler, request))
    assert len(set(whole)) == len(whole) == 400
    assert all(8 in row for row in whole)
    assert rows_of(draw(sampler, request, shard_size=70)) == whole
    assert len(set(rows_of(draw(sampler, Request(request.constraints))))) < 400


def test_distinct_takes_the_likely_first(sampler: CompositionSampler) -> None:
    table = sampler.table(Constraints(), 1.0)
    shares = np.diff(table.cumulative, prepend=0.0)
    drawn = draw(sampler, Request(distinct=True))
    cells = sampler.space.encode(drawn.letters, drawn.atomic_numbers)
    certain = table.cells[shares * 400 >= 1]
    assert len(certain) > 5
    assert np.isin(certain, cells).all()


def test_distinct_says_when_there_are_too_few(sampler: CompositionSampler) -> None:
    request = Request(Constraints(formula="SrTiO3"), distinct=True)
    n = capacity(sampler, request, 1.0).n_compositions
    assert 1 <= n < 10
    assert len(set(rows_of(draw(sampler, request, n=n)))) == n
    with pytest.raises(CompositionError, match=f"has {n} compositions .* but {n + 1} different ones"):
        draw(sampler, request, n=n + 1)


def test_capacity_is_the_share_that_meets_the_request(sampler: CompositionSampler) -> None:
    assert capacity(sampler, Request(), 1.0).share == pytest.approx(1, abs=1e-3)
    plain = draw(sampler, Request(), n=20_000, shard_size=20_000)
    share = capacity(sampler, Request(Constraints(elements_in=("O",))), 1.0).share
    assert share == pytest.approx((plain.atomic_numbers == 8).any(axis=1).mean(), abs=0.01)


def test_temperature_and_kind_replace_those_of_the_recipe(sampler: CompositionSampler) -> None:
    kinds = {kind: len(set(rows_of(draw(sampler, Request(compositions=kind), n=2000)))) for kind in ("uniform", "swap")}
    assert kinds["uniform"] > 1.2 * kinds["swap"]
    assert rows_of(draw(sampler, Request(compositions="swap"))) == rows_of(draw(sampler, Request()))
    hot = len(set(rows_of(draw(sampler, Request(temperature=2.0), n=2000))))
    assert hot > 1.2 * kinds["swap"]
    with pytest.raises(CompositionError, match=r"did not learn .*'autoregressive': it can draw by swap, uniform"):
        draw(sampler, Request(compositions="autoregressive"))
    with pytest.raises(RecipeError, match="No composition sampler 'magic'"):
        draw(sampler, Request(compositions="magic"))


def test_a_request_survives_json_and_keeps_its_words() -> None:
    request = Request(Constraints.parse("Li,*,O", "Pb,Hg", "ABX3", 20, "charge_balanced"), "swap", 0.8, distinct=True)
    assert Request.from_json(request.to_json()) == request
    assert Request().to_json() == {}
    assert Request.from_json({}).is_empty
    assert request.describe() == (
        "with Li, O; without Pb, Hg; formula ABX3; at most 20 atoms in the primitive cell; charge-balanced; "
        "compositions by swap; temperature 0.8; no composition twice"
    )
    with pytest.raises(UsageError, match="asks for colour, which this version"):
        Request.from_json({"colour": "red"})
    with pytest.raises(UsageError, match="--temperature must be a positive number, got 0"):
        Request(temperature=0.0).check()
