"""Compositions: which elements a sample is made of, and on which Wyckoff positions they stand.

``sample_compositions`` draws elements alone, the way of the recipes ``paper`` and ``quick``. ``CompositionSampler``
draws Wyckoff letters and elements together.
"""

from crystalforge.gan.compositions.elements_only import SAMPLERS, Counts, count_elements, sample_compositions
from crystalforge.gan.compositions.requested import capacity, draw_requested
from crystalforge.gan.compositions.sampler import KINDS, CompositionSampler, fit, from_state
from crystalforge.gan.compositions.space import CompositionSpace, Drawn
from crystalforge.gan.compositions.tables import even_places
from crystalforge.gan.constraints import Constraints

__all__ = [
    "KINDS",
    "SAMPLERS",
    "CompositionSampler",
    "CompositionSpace",
    "Constraints",
    "Counts",
    "Drawn",
    "capacity",
    "count_elements",
    "draw_requested",
    "even_places",
    "fit",
    "from_state",
    "sample_compositions",
]
