"""CompositionSampler: fitted to the crystals of one space group, kept as tensors, drawn from in batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from crystalforge.errors import CompositionError, DamagedFileError, RecipeError
from crystalforge.gan.compositions.autoregressive import Autoregressive
from crystalforge.gan.compositions.marginals import Marginals, Uniform
from crystalforge.gan.compositions.masks import ConstraintMask
from crystalforge.gan.compositions.mixture import Mixture
from crystalforge.gan.compositions.space import CompositionSpace, Drawn
from crystalforge.gan.compositions.swap import Swap
from crystalforge.gan.compositions.tables import Density, Table, make_table, probabilities
from crystalforge.gan.compositions.threads import one_thread
from crystalforge.gan.constraints import Constraints
from crystalforge.suggestions import did_you_mean

KINDS: dict[str, Any] = {
    "uniform": Uniform,
    "marginals": Marginals,
    "swap": Swap,
    "autoregressive": Autoregressive,
    "mixture": Mixture,
}
"""Name in a recipe → density: ``fit(space, seed) -> state`` and ``(space, state)``, ready to be asked."""

NOTHING_TO_LEARN = ("uniform", "marginals")
"""Kinds that any sampler can become."""

UNCONSTRAINED = Constraints()


@dataclass(eq=False)
class CompositionSampler:
    """Draws Wyckoff letters and elements together; made by ``fit`` or ``from_state``."""

    kind: str
    space: CompositionSpace
    density: Density
    learned: dict[str, Tensor]
    """What the kind has learned, beside the crystals."""
    _tables: dict[tuple[Constraints, float], Table] = field(default_factory=dict, repr=False)
    _distinct: dict[tuple[Constraints, float, int], Table] = field(default_factory=dict, repr=False)
    _kinds: dict[str, CompositionSampler] = field(default_factory=dict, repr=False)

    def draw(
        self,
        n: int,
        random: np.random.Generator,
        constraints: Constraints | None = None,
        temperature: float = 1.0,
        places: NDArray[np.float64] | None = None,
    ) -> Drawn:
        """Draw n compositions.

        The first draw under some constraints and temperature makes a table (tenths of a second), which is kept until
        others are asked for; then a thousand take less than a millisecond.

        Args:
            n: number of compositions.
            random: decides the draw.
            constraints: what each must be; the draw follows the distribution under that condition exactly.
            temperature: above 1 flatter, below 1 more of the likely; templates keep their frequency.
            places: (n,) in [0, 1) instead of random ones, as of ``even_places``.

        Raises:
            CompositionError: no composition of this space group meets the constraints.
        """
        table = self.table(constraints or UNCONSTRAINED, temperature)
        return self.space.decode(table.at(random.random(n) if places is None else places))

    def draw_distinct(
        self, places: NDArray[np.float64], n_total: int, constraints: Constraints, temperature: float
    ) -> Drawn:
        """Compositions of which no two are the same, at different places 0 to n_total - 1 plus a common fraction.

        Args:
            places: (n,) of the n_total.
            n_total: how many are drawn in all.
            constraints: what each must be.
            temperature: as in ``draw``.

        Raises:
            CompositionError: there are fewer than n_total compositions.
        """
        key = (constraints, float(temperature), n_total)
        if key not in self._distinct:
            table = self.table(constraints, temperature)
            if n_total > len(table.cells):
                raise CompositionError(
                    f"Space group {self.space.space_group_number} has {len(table.cells)} compositions that meet what "
                    f"was asked for, but {n_total} different ones were asked for: ask for fewer."
                )
            self._distinct.clear()
            self._distinct[key] = table.without_replacement(n_total)
        return self.space.decode(self._distinct[key].at(places / n_total))

    def of_kind(self, kind: str) -> CompositionSampler:
        """The sampler of another kind for the same crystals, if its part was learned; ``mixture`` has all.

        Raises:
            RecipeError: there is no such kind.
            CompositionError: it was not learned.
        """
        if kind == self.kind:
            return self
        density_of, learned = _kind(kind), _part(self.learned, f"{kind}.")
        if not learned and kind not in NOTHING_TO_LEARN:
            possible = [self.kind, *NOTHING_TO_LEARN, *(name for name in KINDS if _part(self.learned, f"{name}."))]
            raise CompositionError(
                f"The model of space group {self.space.space_group_number} did not learn compositions of kind "
                f"'{kind}': it can draw by {', '.join(dict.fromkeys(possible))}."
            )
        if kind not in self._kinds:
            self._kinds[kind] = CompositionSampler(kind, self.space, density_of(self.space, learned), learned)
        return self._kinds[kind]

    def log_probability(
        self, letters: ArrayLike, atomic_numbers: ArrayLike, temperature: float = 1.0
    ) -> NDArray[np.float64]:
        """Natural logarithm of the probability (n,) of compositions (n, 3), unconstrained; -inf where never drawn."""
        cells = self.space.encode(letters, atomic_numbers)
        n_cells = int(np.prod(self.space.shape[1:]))
        found = np.zeros(len(cells))
        for template, values in enumerate(probabilities(self.space, self.density, temperature)):
            here = (cells >= 0) & (cells // n_cells == template)
            found[here] = values[cells[here] % n_cells]
        return np.log(found, out=np.full(len(cells), -np.inf), where=found > 0)

    def state(self) -> dict[str, Tensor]:
        """All that ``from_state`` needs."""
        space = {f"space.{name}": tensor for name, tensor in self.space.state().items()}
        return space | {f"learned.{name}": tensor for name, tensor in self.learned.items()}

    def table(self, constraints: Constraints, temperature: float) -> Table:
        """The compositions that meet the constraints, with their cumulative probability.

        Raises:
            CompositionError: there is none.
        """
        if not 0 < temperature < np.inf:
            raise RecipeError(f"A temperature of compositions is a positive number, got {temperature}: 1 is plain.")
        key = (constraints, float(temperature))
        if key not in self._tables:
            mask = ConstraintMask(self.space, constraints)
            with one_thread():
                table = make_table(self.space, self.density, temperature, mask)
            if len(table.cells) == 0:
                raise mask.refuse_empty()
            self._tables.clear()  # a table may take 100 MB
            self._tables[key] = table
        return self._tables[key]


def fit(
    kind: str, letters: ArrayLike, atomic_numbers: ArrayLike, seed: int, *, space_group_number: int
) -> CompositionSampler:
    """Fit a sampler to the training crystals of one space group; the same seed gives the same sampler.

    Args:
        kind: a key of ``KINDS``.
        letters: (n, 3) Wyckoff letters of the sites, in the canonical setting.
        atomic_numbers: (n, 3) elements of the sites, ascending electronegativity.
        seed: decides the start of what is learned.
        space_group_number: of all crystals.

    Raises:
        RecipeError: the kind does not exist.
        TrainingError: there are no crystals.
    """
    density_of = _kind(kind)
    space = CompositionSpace.of(space_group_number, letters, atomic_numbers)
    with one_thread():
        learned = density_of.fit(space, seed)
    return CompositionSampler(kind, space, density_of(space, learned), learned)


def from_state(kind: str, state: dict[str, Tensor]) -> CompositionSampler:
    """The sampler of ``state()``.

    Raises:
        DamagedFileError: tensors are missing or do not fit the kind.
    """
    density_of = _kind(kind)
    try:
        space = CompositionSpace.from_state(_part(state, "space."))
        learned = _part(state, "learned.")
        return CompositionSampler(kind, space, density_of(space, learned), learned)
    except (KeyError, RuntimeError) as error:
        raise DamagedFileError(
            f"The composition sampler of a checkpoint is not of kind '{kind}': {error}. Train the model again."
        ) from error


def _kind(kind: str) -> Any:
    if kind not in KINDS:
        raise RecipeError(
            f"No composition sampler '{kind}': expected one of {', '.join(KINDS)}.{did_you_mean(kind, KINDS)}"
        )
    return KINDS[kind]


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor.cpu() for name, tensor in state.items() if name.startswith(prefix)}
