"""A training step of forge beside a plain loop: `python benchmarks/training_step.py [--dataset mp] [--home HOME]`.

Equal networks, losses, optimisers and batch, one process, one thread. Ours has crystals, orders, starts and contacts as
tensors on the device; the plain loop (plain_training.py) makes them for each crystal in NumPy. Beside them stands an
iteration of the reference networks, recipe paper. Times are CPU seconds, so that other work on the machine counts
little.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness import cpu_seconds, run_as_script

TITLE = "What a training step costs"

SMALL_BATCH = 2
"""At which the arithmetic costs next to nothing, so that what is left of a step is Python and dispatch."""
N_COMPARED = 50
"""Crystals on which the plain loop must agree with ours."""
CLOSE, MOSTLY = 1e-3, 0.9
"""Difference of equal starts at most; share of the crystals that have equal starts at least."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Dataset, groups and steps."""
    parser.add_argument("--dataset", help="name of a dataset of the home (the newest)")
    parser.add_argument("--home")
    parser.add_argument("--groups", default="62,164,225", help="space groups, by commas (%(default)s)")
    parser.add_argument("--steps", type=int, default=20, help="of ours in each timing (%(default)s)")
    parser.add_argument("--plain-steps", type=int, default=2, help="of the plain loop (%(default)s)")
    parser.add_argument("--paper-steps", type=int, default=2, help="of the reference networks (%(default)s)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time every group."""
    import torch

    from crystalforge.dataset import find_dataset
    from crystalforge.home import Home

    torch.set_num_threads(1)
    dataset = find_dataset(Home.locate(arguments.home), arguments.dataset)
    groups = [int(number) for number in arguments.groups.split(",")]
    rows = [_forge(dataset.path, number, arguments) for number in groups]
    return {"dataset": dataset.dataset_id, "forge": rows, "paper": _paper(dataset.path, groups[0], arguments)}


def tables(folder: Path, number: int, validation_share: float) -> list[Any]:
    """Training and validation part of a group."""
    import pyarrow.compute as pc
    from pyarrow import parquet

    from crystalforge.dataset import split_materials, training_table

    materials = parquet.read_table(folder / "materials.parquet")
    materials = materials.filter(pc.equal(materials["space_group_number"], number))
    return [training_table(part, number) for part in split_materials(materials, validation_share) if part.num_rows]


def recipe_of(name: str, **optimisation: int) -> Any:
    """A recipe that never ends, with other choices of optimisation."""
    from crystalforge.gan.recipe import load_recipe, recipe_from_values

    values = load_recipe(name).model_dump()
    values["optimisation"] |= {"generator_steps": 1_000_000} | optimisation
    if name == "forge":
        values["sampling"]["compositions"] = "marginals"  # not asked for here, and quick to fit
    return recipe_from_values(values, name)


def _forge(folder: Path, number: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of CPU of a step, by ours at two batches and by the plain loop with two ways to its starts."""
    from dataclasses import replace

    from crystalforge.gan.forge.training import ForgeTrainer

    recipe = recipe_of("forge", steps_per_epoch=arguments.steps)
    small = recipe_of("forge", steps_per_epoch=arguments.steps, batch_size=SMALL_BATCH)
    training, *_ = tables(folder, number, recipe.validation_share)
    data = replace(ForgeTrainer.prepare(training, recipe, 0), judged=None)
    trainer, small_trainer = (ForgeTrainer.create(number, each, 0) for each in (recipe, small))
    trainer.train_epoch(data)  # the first fills caches
    row = {
        "group": number,
        "n_crystals": len(training),
        "batch": recipe.optimisation.batch_size,
        "crystals_per_step": trainer.crystals_per_step,
        "ours_ms": 1e3 * cpu_seconds(lambda: trainer.train_epoch(data)) / arguments.steps,
        "small_batch_ms": 1e3 * cpu_seconds(lambda: small_trainer.train_epoch(data)) / arguments.steps,
        "operators_per_step": _operators(trainer, data, arguments.steps),
    }
    for search in (True, False):
        row["plain_ms" if search else "plain_starts_ahead_ms"] = _plain(trainer, data, len(training), search, arguments)
    return row


def _plain(trainer: Any, data: Any, n_crystals: int, search: bool, arguments: argparse.Namespace) -> float:
    """Milliseconds of CPU of a step of the plain loop."""
    from plain_training import PlainCrystals, batches, plain_step

    recipe, n_steps = trainer.recipe, arguments.plain_steps
    crystals = PlainCrystals(data, n_crystals, recipe, search=search, seed=0)
    _check_contacts(crystals, data)
    _check_starts(crystals, data)
    n_batches = recipe.wasserstein.critic_steps + 1

    def steps() -> None:
        minibatches = batches(crystals, recipe.optimisation.batch_size, n_steps * n_batches)
        for _ in range(n_steps):
            plain_step(trainer, data, minibatches)

    return 1e3 * cpu_seconds(steps) / n_steps


def _some_rows(crystals: Any) -> range:
    return range(0, len(crystals), max(1, len(crystals) // N_COMPARED))


def _check_contacts(crystals: Any, data: Any) -> None:
    """Both ways see the same contacts of the same crystals, or the comparison is worth nothing."""
    import torch

    from crystalforge.gan.forge.learning import structures_of

    known = structures_of(data.knowledge.known)
    ours = data.knowledge.contact_ratios(data.knowledge.suggested, known, crystals.n_nearest)
    for row in _some_rows(crystals):
        item = {name: values[row] for name, values in crystals.known.items()}
        torch.testing.assert_close(torch.as_tensor(crystals.contact_ratios(item)), ours[row], rtol=1e-3, atol=1e-3)


def _check_starts(crystals: Any, data: Any) -> None:
    """Both ways start from the same modes, but for crystals where donors as near as each other change places."""
    import numpy as np

    rows, same = _some_rows(crystals), 0
    for row in rows:
        code, numbers = (crystals.known[name][row] for name in ("code", "atomic_numbers"))
        plain = crystals.starts.every(row, code, numbers, float(crystals.suggested["log_volume"][row]))
        for mode, (parameters, log_ratios, support) in enumerate(plain):
            ours = (tensor[row, mode].numpy() for tensor in vars(data.starts).values())
            off = [np.subtract(a, b) for a, b in zip((parameters, log_ratios, support), ours, strict=True)]
            off[0] -= np.round(off[0])
            same += all(np.abs(values).max() < CLOSE for values in off) / len(plain)
    if same < MOSTLY * len(rows):
        raise ValueError(
            f"expected the plain loop to start from the modes of the batched training, got the same in {same:.0f} of "
            f"{len(rows)} crystals: keep benchmarks/plain_starts.py as gan/forge/starts.py is"
        )


def _operators(trainer: Any, data: Any, n_steps: int) -> float:
    """Calls of PyTorch's operators in a step, those that they make themselves included."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as record:
        trainer.train_epoch(data)
    return sum(event.count for event in record.key_averages() if event.key.startswith("aten::")) / n_steps


def _paper(folder: Path, number: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of CPU of an iteration of the reference networks."""
    from crystalforge.gan.paper_training import PaperTrainer

    recipe = recipe_of("paper", steps_per_epoch=arguments.paper_steps)
    training, *_ = tables(folder, number, recipe.validation_share)
    data, trainer = PaperTrainer.prepare(training, recipe, 0), PaperTrainer.create(number, recipe, 0)
    seconds = cpu_seconds(lambda: trainer.train_epoch(data), repeats=2) / arguments.paper_steps
    return {
        "group": number,
        "seconds": seconds,
        "batch": recipe.optimisation.batch_size,
        "critic_steps": recipe.wasserstein.critic_steps,
        "crystals_per_step": trainer.crystals_per_step,
    }


def section(results: dict[str, Any]) -> str:
    """One table of forge, one sentence about paper."""
    rows, paper = results["forge"], results["paper"]
    head = ("group", "crystals", "ours (ms)", "crystals/s", "plain loop (ms)", "ratio", "starts known beforehand (ms)")
    head += ("ratio", "ours at batch 2 (ms)", "outside the arithmetic, at most", "operators in a step")
    lines = [f"| {' | '.join(head)} |", "|" + "---:|" * len(head)]
    for row in rows:
        ours, plain, ahead = row["ours_ms"], row["plain_ms"], row["plain_starts_ahead_ms"]
        cells = [f"{row['group']}", f"{row['n_crystals']:,}", f"{ours:.1f}"]
        cells += [f"{1e3 * row['crystals_per_step'] / ours:,.0f}", f"{plain:.0f}", f"**{plain / ours:.1f}**"]
        cells += [f"{ahead:.0f}", f"{ahead / ours:.1f}", f"{row['small_batch_ms']:.1f}"]
        cells += [f"{100 * row['small_batch_ms'] / ours:.0f} %", f"{row['operators_per_step']:,.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    first = rows[0]
    iteration = 1e3 * paper["seconds"]
    return "\n".join(
        [
            f"`python benchmarks/training_step.py`, dataset {results['dataset']}, CPU time of one thread, the least of "
            f"three timings. A step is one generator step with its critic steps at batch {first['batch']}: "
            f"{first['crystals_per_step']} crystals. *Plain loop*: Dataset and DataLoader without workers; order of "
            "the sites, donors, modes and kriging, orbits and contacts of each crystal in NumPy; then the same "
            "networks, losses and optimisers, batched, so that the crystals that the generator makes cost it no more "
            "than us; the gradient penalty by autograd. *Starts known beforehand*: it draws from the table that ours "
            "has. *At batch 2* the arithmetic costs next to nothing: this is the part of a step that Python and the "
            "dispatch of operators take.",
            "",
            *lines,
            "",
            f"Recipe `paper` (the reference networks, group {paper['group']}, batch {paper['batch']}, "
            f"{paper['critic_steps']} critic steps, one generator and one physics step): {paper['seconds']:.2f} s an "
            f"iteration, {paper['crystals_per_step'] / paper['seconds']:,.0f} crystals/s. An iteration of forge in the "
            f"same group takes {iteration / first['ours_ms']:.0f} times less.",
        ]
    )


def main() -> None:
    """Measure and print."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
