"""Composition samplers on real crystals: the right distribution, the same by seed, kept whole as tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from numpy.typing import NDArray

from crystalforge.crystals.elements import atomic_number, order_by_electronegativity
from crystalforge.errors import DamagedFileError, RecipeError, TrainingError
from crystalforge.gan.compositions import KINDS, CompositionSampler, Drawn, even_places, fit, from_state

Crystals = tuple[NDArray[np.str_], NDArray[np.int64]]
GROUP = 216
LEARNED = ["swap", "autoregressive", "mixture"]


def crystals_of(materials: pa.Table, number: int) -> Crystals:
    rows = materials.filter(pc.equal(materials["space_group_number"], number))
    letters = np.array(rows["wyckoff_letters"].to_pylist())
    return letters, atomic_number(np.array(rows["elements"].to_pylist()))


@pytest.fixture(scope="module")
def crystals(bundled_materials: pa.Table) -> Crystals:
    return crystals_of(bundled_materials, GROUP)


@pytest.fixture(scope="module")
def samplers(crystals: Crystals) -> dict[str, CompositionSampler]:
    return {kind: fit(kind, *crystals, seed=3, space_group_number=GROUP) for kind in KINDS}


def as_rows(drawn: Drawn) -> list[tuple[str, ...]]:
    return [(*a, *map(str, b)) for a, b in zip(drawn.letters.tolist(), drawn.atomic_numbers.tolist(), strict=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_of_known_templates_and_elements_in_canonical_order(
    kind: str, samplers: dict[str, CompositionSampler], crystals: Crystals
) -> None:
    drawn = samplers[kind].draw(2000, np.random.default_rng(0))
    assert set(map(tuple, drawn.letters.tolist())) <= set(map(tuple, crystals[0].tolist()))
    assert set(np.unique(drawn.atomic_numbers)) <= set(np.unique(crystals[1]))
    assert all(len(set(row)) == 3 for row in drawn.atomic_numbers.tolist())
    np.testing.assert_array_equal(order_by_electronegativity(drawn.atomic_numbers), np.tile([0, 1, 2], (2000, 1)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_templates_keep_their_frequency(
    kind: str, temperature: float, samplers: dict[str, CompositionSampler], crystals: Crystals
) -> None:
    n = 20000
    drawn = samplers[kind].draw(n, np.random.default_rng(0), temperature=temperature)
    for letters in np.unique(crystals[0], axis=0):
        wanted = (crystals[0] == letters).all(axis=1).mean()
        got = (drawn.letters == letters).all(axis=1).mean()
        assert abs(got - wanted) < 5 * np.sqrt(wanted / n)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_follow_the_probabilities(kind: str, samplers: dict[str, CompositionSampler]) -> None:
    n = 50000
    drawn = samplers[kind].draw(n, np.random.default_rng(5))
    _, first, counts = np.unique(as_rows(drawn), axis=0, return_index=True, return_counts=True)
    expected = n * np.exp(samplers[kind].log_probability(drawn.letters[first], drawn.atomic_numbers[first]))
    many = expected > 5
    if kind != "uniform":
        assert many.sum() > 20
    assert np.abs((counts - expected)[many] / np.sqrt(expected[many])).max(initial=0) < 6
    assert expected.sum() <= n * (1 + 1e-5)


@pytest.mark.parametrize("kind", LEARNED)
def test_real_crystals_are_likelier_than_by_chance(
    kind: str, samplers: dict[str, CompositionSampler], bundled_materials: pa.Table
) -> None:
    letters, numbers = crystals_of(bundled_materials, GROUP)
    held_out = np.arange(len(letters)) % 5 == 0
    sampler = fit(kind, letters[~held_out], numbers[~held_out], 0, space_group_number=GROUP)
    null = fit("uniform", letters[~held_out], numbers[~held_out], 0, space_group_number=GROUP)
    learned = sampler.log_probability(letters[held_out], numbers[held_out])
    by_chance = null.log_probability(letters[held_out], numbers[held_out])
    known = np.isfinite(by_chance)  # an element or template may stand in a held-out crystal alone
    assert known.mean() > 0.5
    assert np.median(learned[known] - by_chance[known]) > 2


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_sampler_and_same_draws(
    kind: str, samplers: dict[str, CompositionSampler], crystals: Crystals
) -> None:
    torch.manual_seed(99)
    again = fit(kind, *crystals, seed=3, space_group_number=GROUP)
    for name, tensor in samplers[kind].state().items():
        assert torch.equal(tensor, again.state()[name]), name
    first = samplers[kind].draw(500, np.random.default_rng(1))
    second = again.draw(500, np.random.default_rng(1))
    assert as_rows(first) == as_rows(second)


@pytest.mark.parametrize("kind", KINDS)
def test_survives_a_safetensors_file(kind: str, samplers: dict[str, CompositionSampler], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_file(samplers[kind].state(), tmp_path / "sampler.safetensors")
    restored = from_state(kind, load_file(tmp_path / "sampler.safetensors"))
    first = samplers[kind].draw(500, np.random.default_rng(1))
    assert as_rows(restored.draw(500, np.random.default_rng(1))) == as_rows(first)


def test_fitting_leaves_torchs_random_numbers_alone(crystals: Crystals) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    sampler = fit("mixture", *crystals, seed=3, space_group_number=GROUP)
    from_state("mixture", sampler.state())
    assert torch.equal(torch.rand(3), expected)


def test_temperature_flattens(samplers: dict[str, CompositionSampler]) -> None:
    distinct = [
        len(set(as_rows(samplers["mixture"].draw(5000, np.random.default_rng(0), temperature=temperature))))
        for temperature in (0.5, 1.0, 2.0)
    ]
    assert distinct[0] < distinct[1] < distinct[2]
    with pytest.raises(RecipeError, match="positive number, got 0"):
        samplers["mixture"].draw(1, np.random.default_rng(0), temperature=0)


def test_even_places_miss_less_and_cut_into_shards_alike(samplers: dict[str, CompositionSampler]) -> None:
    sampler, n, random = samplers["mixture"], 6000, np.random.default_rng(0)
    whole = sampler.draw(n, random, places=even_places(n, 0, 0.25))
    shards = [sampler.draw(1000, random, places=even_places(1000, k * 1000, 0.25)) for k in range(6)]
    assert as_rows(whole) == [row for shard in shards for row in as_rows(shard)]
    rows, first, counts = np.unique(as_rows(whole), axis=0, return_index=True, return_counts=True)
    expected = n * np.exp(sampler.log_probability(whole.letters[first], whole.atomic_numbers[first]))
    assert np.abs(counts - expected).max() < 3
    assert len(rows) > 1.05 * len(set(as_rows(sampler.draw(n, random))))


def test_one_crystal_is_enough() -> None:
    for kind in KINDS:
        sampler = fit(kind, [["a", "b", "c"]], [[11, 22, 8]], 0, space_group_number=221)
        drawn = sampler.draw(50, np.random.default_rng(0))
        assert set(as_rows(drawn)) == {("a", "b", "c", "11", "22", "8")}


def test_sites_of_any_order_come_back_in_the_canonical_one() -> None:
    letters, numbers = [["c", "a", "b"], ["a", "c", "b"]], [[3, 13, 14], [3, 13, 14]]
    sampler = fit("marginals", letters, numbers, 0, space_group_number=225)
    assert sampler.space.letters.tolist() == [["a", "b", "c"]]
    assert set(as_rows(sampler.draw(200, np.random.default_rng(0)))) == {
        ("c", "a", "b", "3", "13", "14"),
        ("a", "c", "b", "3", "13", "14"),
    }
    np.testing.assert_allclose(np.exp(sampler.log_probability(letters, numbers)), 0.5, rtol=1e-6)
    assert sampler.log_probability([["b", "c", "a"]], [[3, 13, 14]])[0] == -np.inf
    assert sampler.log_probability([["a", "c", "b"]], [[3, 13, 15]])[0] == -np.inf


def test_what_cannot_be_fitted_or_restored(samplers: dict[str, CompositionSampler]) -> None:
    with pytest.raises(RecipeError, match="No composition sampler 'magic': expected one of uniform"):
        fit("magic", [["a", "b", "c"]], [[11, 22, 8]], 0, space_group_number=221)
    with pytest.raises(TrainingError, match="three different"):
        fit("swap", [["a", "b", "c"]], [[11, 22, 22]], 0, space_group_number=221)
    with pytest.raises(TrainingError, match="got 0 crystals"):
        fit("swap", np.zeros((0, 3), dtype=str), np.zeros((0, 3)), 0, space_group_number=221)
    with pytest.raises(DamagedFileError, match="not of kind 'swap'"):
        from_state("swap", samplers["marginals"].state())
