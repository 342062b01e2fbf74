"""Which space groups of a training can give what a generation asks for, and how its samples are shared among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from crystalforge.errors import CompositionError
from crystalforge.gan.request import Capacity, Request
from crystalforge.jobs.trained_models import TrainedModels


def capacities(
    models: TrainedModels, wanted: Sequence[int], request: Request, *, by_name: bool, say: Callable[[str], None]
) -> dict[int, Capacity]:
    """What each space group can give; one that can give nothing is refused if it was named, else left out and said.

    Args:
        models: of the training.
        wanted: space groups.
        request: what is asked for.
        by_name: whether a person named the groups.
        say: told of each group that is left out, with the reason.

    Raises:
        CompositionError: a named group, or every group, has nothing that meets the request.
    """
    from crystalforge.gan.checkpoint import load_model

    request.check()
    found: dict[int, Capacity] = {}
    reasons: dict[int, str] = {}
    for number in wanted:
        try:
            found[number] = load_model(models.checkpoint_folder(number)).capacity(request)
        except CompositionError as error:
            if by_name:
                raise
            reasons[number] = str(error)
    merged = _merged(reasons)
    if not found:
        listed = "\n".join(f"  {numbers}: {reason}" for numbers, reason in merged.items())
        raise CompositionError(
            f"No space group of training {models.training_id} can give what was asked for ({request.describe()}):\n"
            f"{listed}\nName one by --space-groups to see what is possible in it."
        )
    for numbers, reason in merged.items():
        several = "," in numbers
        say(f"Space group{'s' if several else ''} {numbers} {'are' if several else 'is'} left out: {reason}")
    return found


def _merged(reasons: Mapping[int, str]) -> dict[str, str]:
    """Space groups of one reason together, with its first sentence; one alone keeps all that is said of it."""
    numbers: dict[str, list[int]] = {}
    for number, reason in reasons.items():
        first = f"{reason.partition('. ')[0].rstrip('.')}."
        general = first.replace(f"space group {number}", "the space group").replace(f"Space group {number}", "It")
        numbers.setdefault(general, []).append(number)
    return {
        ", ".join(map(str, alike)): reasons[alike[0]] if len(alike) == 1 else general
        for general, alike in numbers.items()
    }


def refuse_too_many(counts: Mapping[int, int], found: Mapping[int, Capacity]) -> None:
    """Refuse more different compositions than there are.

    Raises:
        CompositionError: names the space groups.
    """
    lacking = {number: n for number, n in counts.items() if n > found[number].n_compositions}
    if lacking:
        listed = ", ".join(f"{found[number].n_compositions} of {n} in {number}" for number, n in lacking.items())
        raise CompositionError(
            f"There are not as many different compositions as --distinct asks for: {listed}. Lower --count, raise "
            "--temperature, loosen the constraints, or leave out --distinct."
        )
