"""The process in which calls fail: does a work undisturbed, then for each k with the k-th call failing, then again.

Run by test_failing_calls with the failing library; writes a line of JSON for each k.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from failing_calls import OUTCOMES, FailingCalls, run_forked
from small_training import small_recipe, write_recipe

from crystalforge.catalog.shards import ShardManifest
from crystalforge.dataset import build_dataset, find_dataset, list_datasets
from crystalforge.files import append_line, read_json, sha256_of_file
from crystalforge.home import Home

SHARDS = {"seed": 5, "shard_size": 10, "min_contact_ratio": 0.5, "space_groups": [225, 62]}
COUNT = 80
UNDISTURBED = "undisturbed"

Work = Callable[[Home, Path], int]
"""Does the work in a home, with a file for its stderr; returns the exit code."""


def draw(home: Home, log: Path) -> int:
    """Draw a generation without Ray, in a fork."""
    import crystalforge.gan.checkpoint
    import crystalforge.generation.sampling  # noqa: F401 - here, and not in each fork anew
    from crystalforge.jobs.generate import draw_here, generate
    from crystalforge.jobs.generation_plans import plan_generation
    from crystalforge.jobs.trained_models import find_models

    plan = plan_generation(find_models(home), COUNT, **SHARDS)
    if home.path.name == UNDISTURBED:
        generate(home, plan, draw=draw_here)  # here, so that each fork has the tables of symmetry that this one made
        return 0
    return run_forked(lambda: generate(home, plan, draw=draw_here), log)


def build(home: Home, log: Path) -> int:
    """Build the bundled dataset, in a fork."""
    return run_forked(lambda: build_dataset(home, "bundled"), log)


def command(*arguments: str) -> Work:
    """A command as a person gives it, on the Ray of this process."""

    def run(home: Home, log: Path) -> int:
        from crystalforge.cli.app import app

        sys.argv = ["platform", *arguments, "--home", str(home.path)]
        with log.open("w") as stream, contextlib.redirect_stderr(stream), contextlib.redirect_stdout(io.StringIO()):
            try:
                app()
            except SystemExit as end:
                return int(end.code or 0)
        return 0

    return run


def digests(home: Home) -> dict[str, str]:
    """Checksums of all that is committed in a home, as its records have them."""
    names = [manifest.dataset_id for manifest in list_datasets(home)]
    found = {name: find_dataset(home, name).checksum for name in names}
    for path in home.trainings.glob("*/*/model.json"):
        found[str(path.relative_to(home.path))] = read_json(path)["model_checksum"]
    for path in home.generations.glob("*/manifest.jsonl"):
        found |= {line["file"]: line["sha256"] for line in ShardManifest(path.parent).records()}
    return found


def damaged(home: Home) -> list[str]:
    """Files under a final name that are not what the record that commits them says."""
    wrong = [
        line["file"]
        for path in home.generations.glob("*/manifest.jsonl")
        for line in ShardManifest(path.parent).records()
        if sha256_of_file(path.parent / line["file"]) != line["sha256"]
    ]
    for manifest in list_datasets(home):
        find_dataset(home, manifest.dataset_id).materials()
    for path in home.path.rglob("*.json"):
        read_json(path)
    return wrong


def try_each(work: Work, source: Home, folder: Path, ks: range, *, with_generations: bool = True) -> None:
    """Do the work for each k in a fresh home, first with the failing call, then without."""
    calls = FailingCalls(folder / "failing_calls.so", folder / "failing_calls.state", folder / "root")
    log = folder / "log"

    def fresh(name: str) -> Home:
        home = Home.locate(folder / "root" / name)
        if with_generations:
            shutil.copytree(source.path, home.path)
        return home

    undisturbed = fresh(UNDISTURBED)
    if work(undisturbed, log) != 0:
        raise SystemExit(log.read_text())
    expected = digests(undisturbed)
    for k in ks:
        home = fresh(f"k-{k}")
        calls.arm(k)
        code = work(home, log)
        counted = calls.disarm()
        if counted < k:
            return
        outcome = {"k": k, "calls": counted, "code": code, "log": log.read_text(), "damaged": damaged(home)}
        outcome |= {"rerun_code": work(home, log), "rerun_same": digests(home) == expected}
        outcome["damaged"] += damaged(home) + [str(path) for path in home.path.rglob("*.partial")]
        append_line(folder / OUTCOMES, outcome)  # not to the standard output, where Ray writes too
        shutil.rmtree(home.path)


def main() -> None:
    """Read the arguments: what, the home to copy, the folder to work in, the first k and the one after the last."""
    what, home, folder = sys.argv[1], Home.locate(sys.argv[2]), Path(sys.argv[3])
    ks = range(int(sys.argv[4]), int(sys.argv[5]))
    if what == "generation":
        try_each(draw, home, folder, ks)
    elif what == "dataset":
        try_each(build, home, folder, ks, with_generations=False)
    else:
        from crystalforge.jobs.cluster import connected

        recipe = write_recipe(folder / "small.toml", small_recipe())
        choices = {
            "generate": ["--count", str(COUNT), "--shard-size", "10", "--space-groups", "225,62"],
            "train-all": ["--recipe", str(recipe), "--space-groups", "164"],
        }
        with connected(num_cpus=2):
            try_each(command(what, *choices[what]), home, folder, ks)


if __name__ == "__main__":
    main()
