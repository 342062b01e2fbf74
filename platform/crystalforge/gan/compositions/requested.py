"""Compositions as a generation asks for them: kind, temperature, constraints, even places or none twice."""

from __future__ import annotations

import numpy as np

from crystalforge.gan.compositions.sampler import CompositionSampler
from crystalforge.gan.compositions.space import Drawn
from crystalforge.gan.compositions.tables import even_places, order_of_places
from crystalforge.gan.request import Capacity, Request
from crystalforge.gan.stretch import Stretch


def draw_requested(
    sampler: CompositionSampler,
    n: int,
    random: np.random.Generator,
    request: Request,
    *,
    temperature: float,
    stretch: Stretch | None,
    even: bool,
) -> Drawn:
    """Draw n compositions of a generation.

    Args:
        sampler: as trained.
        n: number of compositions.
        random: decides the draw where the stretch does not.
        request: what is asked for.
        temperature: the recipe's, which the request may replace.
        stretch: where they lie in the generation; None: nowhere.
        even: whether compositions are taken at even places of their distribution.

    Raises:
        CompositionError: the space group has no composition, or too few, that meet the request.
    """
    sampler, heat = _sampler_and_temperature(sampler, request, temperature)
    if request.distinct:
        stretch = stretch or Stretch(0, float(random.random()), n)
        order = order_of_places(n, stretch.first_index, stretch.n_samples)
        return sampler.draw_distinct(order + stretch.offset, stretch.n_samples, request.constraints, heat)
    places = even_places(n, stretch.first_index, stretch.offset) if stretch and even else None
    return sampler.draw(n, random, request.constraints, heat, places)


def capacity(sampler: CompositionSampler, request: Request, temperature: float) -> Capacity:
    """How much of the sampler's distribution meets the request.

    Raises:
        CompositionError: nothing does.
    """
    sampler, heat = _sampler_and_temperature(sampler, request, temperature)
    table = sampler.table(request.constraints, heat)
    return Capacity(min(1.0, float(table.cumulative[-1])), len(table.cells))


def _sampler_and_temperature(
    sampler: CompositionSampler, request: Request, temperature: float
) -> tuple[CompositionSampler, float]:
    chosen = sampler.of_kind(request.compositions) if request.compositions else sampler
    return chosen, temperature if request.temperature is None else request.temperature
