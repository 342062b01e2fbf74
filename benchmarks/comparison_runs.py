"""Makes what model_comparison.py compares, by the platform's own commands in one process; each is skipped when done."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

FORGE, DISTINCT, BASELINES = "forge", "forge --distinct", ("donor", "swap")
CHANNEL_COUNT = 5000
"""Samples of the charge-balanced channel."""
STATE = "comparison.json"
"""In the home: which generations are compared."""


@dataclass
class Compared:
    """Identifiers of generations, by what they are; written to the home after each command.

    Attributes:
        count: samples of each.
        by_share: generation → recipe, groups by their share of the training crystals; the judged one comes first.
        equal: generation → recipe, as many samples of each group.
        charge_balanced: generation of the charge-balanced channel, if there is one.
        seeds: generation → seed of its training and of its draws.
        commands: what was run.
        seconds: wall time of the last run of each command, by the command.
    """

    count: int = 50_000
    by_share: dict[str, str] = field(default_factory=dict)
    equal: dict[str, str] = field(default_factory=dict)
    charge_balanced: str | None = None
    seeds: dict[str, int] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, home: Path) -> Compared:
        """What an earlier run noted down; nothing where there was none."""
        path = home / STATE
        return cls(**json.loads(path.read_text())) if path.is_file() else cls()

    def write(self, home: Path) -> None:
        """Note it down for the report and the next run."""
        (home / STATE).write_text(json.dumps(asdict(self), indent=1))


def make(
    home: Path, seeds: Sequence[int], count: int, others: Sequence[str], space_groups: str | None = None
) -> Compared:
    """Train, draw and judge whatever is missing.

    Args:
        home: has the dataset; a training of the paper's equations is used where there is one.
        seeds: of forge; the first is the judged one, the others stand beside it.
        count: samples of each generation.
        others: recipes that are compared if the home has a whole training of them, as paper and quick.
        space_groups: as of the commands; all by default.
    """
    from crystalforge.home import Home
    from crystalforge.jobs.cluster import connected
    from crystalforge.jobs.trained_models import known_models

    compared = Compared(count=count, seconds=Compared.read(home).seconds)
    groups = ("--space-groups", space_groups) if space_groups else ()
    draw = ("generate", "--count", str(count), *groups)
    with connected():
        for seed in seeds:
            training = _run(compared, home, "train-all", "--recipe", FORGE, "--seed", str(seed), *groups)["training_id"]
            of_seed = ("--training", training, "--seed", str(seed))
            for balance, kept in (("training", compared.by_share), ("equal", compared.equal)):
                options = () if balance == "training" else ("--balance", balance)
                drawn = _run(compared, home, *draw, *of_seed, *options)["generation_id"]
                kept[drawn], compared.seeds[drawn] = FORGE, seed
            if seed == seeds[0]:
                channel = ("generate", "--count", str(min(count, CHANNEL_COUNT)), "--charge-balanced", *groups)
                compared.charge_balanced = _run(compared, home, *channel, *of_seed)["generation_id"]
                drawn = _run(compared, home, *draw, *of_seed, "--distinct")["generation_id"]
                compared.by_share[drawn], compared.seeds[drawn] = DISTINCT, seed
            compared.write(home)
        # Of a training that still runs nothing can be drawn.
        whole = [models for models in known_models(Home.locate(home)) if models.records.keys() >= models.counts.keys()]
        trained = {models.recipe: ("--training", models.training_id) for models in whole if models.recipe in others}
        for recipe, chosen in ({name: ("--recipe", name) for name in BASELINES} | trained).items():
            drawn = _run(compared, home, *draw, *chosen, "--seed", str(seeds[0]))["generation_id"]
            compared.by_share[drawn], compared.seeds[drawn] = recipe, seeds[0]
            compared.write(home)
    for generations in (compared.by_share, compared.equal):
        _judge(compared, home, list(generations))
    compared.write(home)
    return compared


def _judge(compared: Compared, home: Path, generations: list[str]) -> None:
    """Judge the first, the others beside it, unless its figures are there."""
    first, *beside = generations
    options = [word for name in beside for word in ("--baseline", name)]
    done = _judged(home, first) >= set(generations)
    _run(compared, home, "evaluate", first, *options, skip=done)


def _judged(home: Path, generation: str) -> set[str]:
    """Generations that stand in the figures of one."""
    path = figures_file(home, generation)
    if not path.is_file():
        return set()
    return set(pq.read_table(path, columns=["source_generation_id"])["source_generation_id"].to_pylist())


def figures_file(home: Path, generation: str) -> Path:
    """Where ``platform evaluate`` writes."""
    from crystalforge.home import EVALUATION_FILE, Home

    return Home.locate(home).generations / generation / EVALUATION_FILE


def _run(compared: Compared, home: Path, *words: str, skip: bool = False) -> dict[str, Any]:
    """One command of the platform in this process, so that Ray and the libraries start once; what it says as JSON."""
    from crystalforge.cli.app import app

    command = "platform " + " ".join(words)
    compared.commands.append(command)
    if skip:
        return {}
    print(f"event=command command='{command}'", file=sys.stderr, flush=True)
    started, said = time.perf_counter(), io.StringIO()
    with contextlib.redirect_stdout(said):
        code = app([*words, "--home", str(home), "--json"], standalone_mode=False)
    if code:
        raise SystemExit(f"`{command}` ended with {code}: see its message above, repair and run the same again.")
    seconds = time.perf_counter() - started
    # A command that found everything done takes seconds: keep what the work took.
    compared.seconds[command] = max(seconds, compared.seconds.get(command, 0.0))
    print(f"event=done seconds={seconds:.0f}", file=sys.stderr, flush=True)
    found: dict[str, Any] = json.loads(said.getvalue())
    return found
