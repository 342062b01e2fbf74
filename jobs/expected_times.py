"""How long a work will take, from the times that earlier runs of the same home recorded; never a guess.

The times of a home hold for the machine that worked in it, as it was shared then: a second machine, a cluster or a GPU
makes others. So an expected time comes with what it is from, and where nothing is recorded there is none.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import pyarrow.parquet as pq

from crystalforge.catalog.shards import ShardManifest
from crystalforge.dataset import list_datasets
from crystalforge.files import read_json
from crystalforge.gan.recipe import Recipe
from crystalforge.home import EVALUATION_RECORD, GENERATION_RECORD, SCREENING_RECORD, TRAINING_RECORD, Home
from crystalforge.jobs.trained_models import TrainedModels, known_models
from crystalforge.schemas.relaxations import RelaxationStatus
from crystalforge.validation.ledger import LEDGER_FILE, Ledger
from crystalforge.validation.states import AttemptState


@dataclass(frozen=True)
class ExpectedTime:
    """An expected time, or why there is none."""

    seconds: float | None
    """Wall time of the whole work; 0 if nothing is left to do, None if nothing is known."""
    basis: str
    """What it is from, for a person."""

    def describe(self) -> str:
        """One line."""
        if not self.seconds:
            return f"expected time: none, {self.basis}"
        return f"expected time: {_in_words(self.seconds)}, {self.basis}"


def cpus() -> int:
    """CPUs of this machine, which a Ray that is started here takes."""
    return os.cpu_count() or 1


def expected_build(home: Home, kind: str, inputs: int | None) -> ExpectedTime:
    """Of reading and curating so many inputs: as datasets of the same kind of source took."""
    if not inputs:
        return ExpectedTime(None, "as a dry run does not ask the server how many crystals it has")
    timed = [manifest for manifest in list_datasets(home) if manifest.source_kind == kind and manifest.seconds]
    if not timed:
        return ExpectedTime(None, f"as no dataset of a source of kind {kind} in this home has recorded its time")
    rate = sum(each.seconds or 0 for each in timed) / sum(each.n_materials + each.n_exclusions for each in timed)
    basis = f"from {_counted(len(timed), 'dataset')} of kind {kind} here, {rate * 1000:.1f} ms each crystal"
    return ExpectedTime(inputs * rate, basis)


def expected_training(home: Home, recipe: Recipe, groups: Iterable[int]) -> ExpectedTime:
    """Of training these groups: each as it took before by the recipe of that name, its loop by the planned steps.

    A group that was never trained here counts as the mean of the others.
    """
    wanted, at_once = list(groups), cpus()
    if not wanted:
        return ExpectedTime(0.0, "as nothing is left to train")
    seconds: dict[int, list[float]] = {}
    trainings = [models for models in known_models(home) if models.recipe == recipe.name and models.records]
    for models in trainings:
        planned = read_json(models.folder / TRAINING_RECORD).get("generator_steps") or recipe.total_steps
        for number, record in models.records.items():
            if times := record.get("seconds"):
                loop = times["loop"] * recipe.total_steps / planned
                seconds.setdefault(number, []).append(times["start"] + loop + times["end"])
    if not seconds:
        return ExpectedTime(None, f"as no training of recipe {recipe.name} in this home has recorded its times")
    means = {number: mean(each) for number, each in seconds.items()}
    others = mean(means.values())
    each = [means.get(number, others) for number in wanted]
    basis = f"from {_counted(len(trainings), 'training')} of recipe {recipe.name} here, {at_once} space groups at once"
    return ExpectedTime(max(max(each), sum(each) / at_once), basis)


def expected_generation(home: Home, models: TrainedModels, samples: Mapping[int, int]) -> ExpectedTime:
    """Of drawing so many samples of each group: as shards of the same training took, else of its recipe."""
    if not sum(samples.values()):
        return ExpectedTime(0.0, "as nothing is left to draw")
    trained = {each.training_id: each.recipe for each in known_models(home)}
    of_recipe = {name for name, recipe in trained.items() if recipe == models.recipe}
    for training_ids, name in (({models.training_id}, f"training {models.training_id}"), (of_recipe, models.recipe)):
        rows, seconds, generations = _drawn(home, training_ids)
        if rows:
            each = {number: seconds[number] / rows[number] for number in rows}
            pooled = sum(seconds.values()) / sum(rows.values())
            total = sum(count * each.get(number, pooled) for number, count in samples.items())
            basis = f"from {_counted(generations, 'generation')} by {name} here, {cpus()} shards at once"
            return ExpectedTime(total / cpus(), basis)
    return ExpectedTime(None, f"as no generation by recipe {models.recipe} in this home has recorded its times")


def _drawn(home: Home, training_ids: set[str]) -> tuple[dict[int, int], dict[int, float], int]:
    """Rows and seconds of each group in the shards that recorded them, and of how many generations."""
    rows: dict[int, int] = {}
    seconds: dict[int, float] = {}
    generations = 0
    for record in sorted(home.generations.glob(f"*/{GENERATION_RECORD}")):
        if read_json(record).get("training_id") not in training_ids:
            continue
        lines = [line for line in ShardManifest(record.parent).records() if line.get("seconds")]
        generations += bool(lines)
        for line in lines:
            number = int(line["space_group_number"])
            rows[number] = rows.get(number, 0) + line["rows"]
            seconds[number] = seconds.get(number, 0.0) + line["seconds"]
    return rows, seconds, generations


def expected_evaluation(home: Home, sizes: Mapping[str, int]) -> ExpectedTime:
    """Of judging sources of these sizes: as evaluations in this home took for each sample of each source."""
    timed = [read_json(path) for path in sorted(home.generations.glob(f"*/{EVALUATION_RECORD}"))]
    if not timed:
        return ExpectedTime(None, "as no evaluation in this home has recorded its time")
    rate = sum(each["seconds"] for each in timed) / sum(sum(each["sizes"].values()) for each in timed)
    basis = f"from {_counted(len(timed), 'evaluation')} here, {rate * 1000:.1f} ms for each sample of each source"
    return ExpectedTime(rate * sum(sizes.values()), basis)


def expected_screening(home: Home, potential: str, crystals: int, workers: int | None) -> ExpectedTime:
    """Of relaxing so many crystals: as a relaxation by the same potential took in the mean."""
    if not crystals:
        return ExpectedTime(0.0, "as nothing is left to relax")
    at_once = workers or cpus()
    times: list[float] = []
    screenings = 0
    for record in sorted(home.screenings.glob(f"*/{SCREENING_RECORD}")):
        if read_json(record).get("potential") != potential:
            continue
        found = _relaxation_seconds(ShardManifest(record.parent))
        screenings += bool(found)
        times += found
    if not times:
        return ExpectedTime(None, f"as no screening by {potential} in this home has recorded its times")
    basis = (
        f"from {len(times):,} relaxations of {_counted(screenings, 'screening')} by {potential} here, "
        f"{mean(times):.2f} s each, {at_once} at once"
    )
    return ExpectedTime(crystals * mean(times) / at_once, basis)


def _relaxation_seconds(manifest: ShardManifest) -> list[float]:
    """Wall times of the relaxations that a screening has committed; samples that were rejected were not relaxed."""
    found: list[float] = []
    for path, line in manifest.files():
        if line.get("schema", "").startswith("relaxations/") and path.is_file():
            table = pq.read_table(path, columns=["status", "wall_seconds"])
            rows = zip(table["status"].to_pylist(), table["wall_seconds"].to_pylist(), strict=True)
            found += [seconds for status, seconds in rows if status != RelaxationStatus.REJECTED]
    return found


def expected_calculations(
    home: Home, recipe_hash: str, recipe: str, calculations: int, at_once: int | None = None
) -> ExpectedTime:
    """Of computing so many crystals: as an accepted attempt of the same recipe took in the mean.

    Args:
        home: whose ledger knows.
        recipe_hash: of the recipe.
        recipe: its name.
        calculations: how many.
        at_once: how many of them at a time; None for one on each CPU.
    """
    at_once = at_once or cpus()
    if not calculations:
        return ExpectedTime(0.0, "as nothing is left to compute")
    times: list[float] = []
    if (home.validations / LEDGER_FILE).is_file():
        with Ledger(home.validations) as ledger:
            rows = ledger.rows(
                "SELECT wall_s FROM attempts JOIN calculations USING (calculation_id) "
                "WHERE recipe_hash = ? AND attempts.state = ? AND wall_s IS NOT NULL",
                [recipe_hash, AttemptState.ACCEPTED],
            )
        times = [row["wall_s"] for row in rows]
    if not times:
        return ExpectedTime(None, f"as no calculation of recipe {recipe} in this home has recorded its time")
    basis = f"from {len(times):,} calculations of recipe {recipe} here, {mean(times):.1f} s each, {at_once} at once"
    return ExpectedTime(calculations * mean(times) / at_once, basis)


def expected_together(times: Sequence[ExpectedTime]) -> ExpectedTime:
    """Of works that are done one after the other; unknown if one of them is."""
    seconds = [time.seconds for time in times if time.seconds is not None]
    known = len(seconds) == len(times)
    return ExpectedTime(sum(seconds) if known else None, "; ".join(time.basis for time in times))


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _in_words(seconds: float) -> str:
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"about {seconds / length:.1f} {unit}"
    return f"about {seconds:.0f} s"
