"""What a command would do: its plan, its shards and the expected time. Everything is looked at, nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crystalforge.catalog.bundles import shard_lines
from crystalforge.catalog.compaction_plan import CompactionPlan
from crystalforge.catalog.shards import ShardManifest
from crystalforge.dataset import BuildRequest, Dataset
from crystalforge.dataset.build_plan import plan_build
from crystalforge.gan.recipe import Recipe
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.jobs.expected_times import (
    ExpectedTime,
    expected_build,
    expected_calculations,
    expected_generation,
    expected_screening,
    expected_together,
    expected_training,
)
from crystalforge.jobs.screening_plans import load_screening
from crystalforge.jobs.train_all import plan_training
from crystalforge.jobs.trained_models import find_models
from crystalforge.jobs.validate import require_concurrency
from crystalforge.locks import held_by
from crystalforge.steps.screenings import plan_screen
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.recipe import CalculationRecipe
from crystalforge.validation.requests import would_enqueue
from crystalforge.validation.states import IN_FLIGHT, CalculationState

NOTHING_TO_MERGE = ExpectedTime(0.0, "as nothing is left to merge")


@dataclass(frozen=True)
class DryRun:
    """What would be done."""

    what: str
    """In a sentence."""
    name: str
    """Identifier of the run; the same command without --dry-run has it too."""
    plan: dict[str, Any]
    """What decides it, in the words of its record."""
    shards: int
    """Pieces of work: files, models or calculations."""
    shards_done: int
    """Of these, there already."""
    expected: ExpectedTime
    folder: str
    """That would be written."""
    notes: list[str] = field(default_factory=list)
    """What would be left out, and why."""

    def lines(self) -> list[str]:
        """The plan, the shards and the time, for a person."""
        planned = [f"{key.replace('_', ' ')}: {_plain(value)}" for key, value in self.plan.items()]
        done = f", {self.shards_done:,} of them done already" if self.shards_done else ""
        shards = f"shards: {self.shards:,}{done}"
        return [*planned, shards, self.expected.describe(), f"would be written to {self.folder}", *self.notes]


def dry_build(home: Home, asked: BuildRequest) -> DryRun:
    """Of ``dataset build``; a server is not asked, only what it sent before is looked up."""
    found = plan_build(home, asked)
    counted = "an unknown number of" if found.inputs is None else f"{found.inputs:,}"
    if found.existing:
        what = f"Would find dataset {found.existing}, which the same request built."
        expected = ExpectedTime(0.0, "as the dataset is there")
    else:
        what = f"Would curate {counted} crystals of {asked.source} as dataset {found.name}."
        expected = expected_build(home, found.kind, found.inputs)
    notes = []
    if found.fetched is not None:
        left = "nothing is left to fetch" if found.is_fetched else "the rest would be fetched; its time is the server's"
        notes.append(f"{found.fetched:,} crystals were fetched already: {left}")
    return DryRun(
        what=what,
        name=found.existing or found.name,
        plan={
            "source": asked.source,
            "kind": found.kind,
            "space_groups": found.space_groups,
            "filters": asked.filters.to_json() or "none",
        },
        shards=1,
        shards_done=int(found.existing is not None),
        expected=expected,
        folder=str(home.datasets / (found.existing or f"{found.name}-CHECKSUM")),
        notes=notes,
    )


def dry_training(
    home: Home, dataset: Dataset, recipe: Recipe, *, seed: int, space_groups: Sequence[int] | None
) -> DryRun:
    """Of ``train-all``: a shard is the model of a space group."""
    plan = plan_training(home, dataset, recipe, seed=seed, space_groups=space_groups)
    done = plan.trained()
    missing = [number for number in plan.wanted if number not in done]
    counts = dataset.manifest.counts
    return DryRun(
        what=f"Would train {len(missing)} models by recipe {recipe.name} as {plan.training_id}.",
        name=plan.training_id,
        plan={
            "dataset": dataset.dataset_id,
            "recipe": recipe.name,
            "seed": seed,
            "generator_steps": recipe.total_steps,
            "crystals_by_space_group": {str(number): counts[number] for number in missing},
        },
        shards=len(plan.wanted),
        shards_done=len(done),
        expected=expected_training(home, recipe, missing),
        folder=str(plan.folder),
    )


def dry_generation(home: Home, plan: GenerationPlan) -> DryRun:
    """Of ``generate``."""
    folder = home.generations / plan.generation_id
    shards = plan.shards()
    done = _committed(folder)
    left: Counter[int] = Counter()
    for shard in shards:
        left[shard.space_group_number] += shard.n_samples if shard.file not in done else 0
    return DryRun(
        what=f"Would draw {sum(left.values()):,} samples as generation {plan.generation_id}.",
        name=plan.generation_id,
        plan={
            "training": plan.training_id,
            "seed": plan.seed,
            "asked_for": plan.request.describe() or "nothing",
            "samples_by_space_group": {str(number): count for number, count in sorted(plan.counts.items())},
        },
        shards=len(shards),
        shards_done=len(done & {shard.file for shard in shards}),
        expected=expected_generation(home, find_models(home, plan.training_id), left),
        folder=str(folder),
    )


def dry_compaction(folder: Path, plan: CompactionPlan, rows: int) -> DryRun:
    """Of ``compact``: a shard is a file that would be written."""
    return DryRun(
        what=f"Would merge {plan.files_merged:,} files of generation {folder.name} into {len(plan.bundles):,}.",
        name=folder.name,
        plan={
            "rows": plan.rows,
            "most_rows_of_a_file": rows,
            "files_now": plan.files,
            "files_then": plan.files_after,
            "bytes_to_read_and_write": plan.bytes_merged,
        },
        shards=len(plan.bundles),
        shards_done=0,
        expected=ExpectedTime(None, "as compactions do not record their times") if plan.bundles else NOTHING_TO_MERGE,
        folder=str(folder),
    )


def dry_screening(home: Home, choices: dict[str, Any], *, resume: str | None, workers: int | None) -> DryRun:
    """Of ``screen``; samples that were rejected take no time."""
    notes, rejected = [], 0
    if resume:
        plan = load_screening(home, resume)
    else:
        plan, inputs = plan_screen(**choices, home=home)
        if "reject_reason" in inputs.column_names:
            rejected = inputs.num_rows - inputs["reject_reason"].null_count
    if rejected:
        notes.append(f"{rejected:,} were rejected when they were drawn: they count, and are not relaxed")
    folder = home.screenings / plan.screening_id
    shards = plan.shards()
    done = _committed(folder)
    left = sum(shard.n_crystals for shard in shards if shard.file not in done)
    return DryRun(
        what=f"Would relax {left:,} crystals as screening {plan.screening_id}.",
        name=plan.screening_id,
        plan={
            "source": plan.source,
            "generation": plan.generation_id or "any",
            "crystals": plan.count,
            "potential": f"{plan.potential} {plan.potential_version}",
        },
        shards=len(shards),
        shards_done=len(done & {shard.file for shard in shards}),
        expected=expected_screening(home, plan.potential, max(0, left - rejected), workers),
        folder=str(folder),
        notes=notes,
    )


def dry_queue(home: Home, crystals: Sequence[Crystal], recipe: CalculationRecipe) -> DryRun:
    """Of ``validate enqueue``: a shard is a calculation, which ``validate run`` would compute."""
    found = would_enqueue(home.validations, crystals, recipe)
    new = found.added + found.elements
    structures = Counter(str(crystal.structure) for crystal in crystals)
    notes = [f"not enqueued: {refusal}" for refusal in found.refused]
    if found.elements_without_reference:
        without = ", ".join(found.elements_without_reference)
        notes.append(f"no reference of {without}: no formation energies with these")
    return DryRun(
        what=f"Would enqueue {found.added:,} crystals and {found.elements:,} elements by recipe {recipe.name}.",
        name=found.recipe_hash,
        plan={
            "recipe": recipe.name,
            "engine": recipe.engine,
            "crystals_chosen": len(crystals),
            "structures": dict(sorted(structures.items())),
            "known_already": found.known,
        },
        shards=new,
        shards_done=0,
        expected=expected_calculations(home, found.recipe_hash, recipe.name, new),
        folder=str(home.validations),
        notes=notes,
    )


def dry_dispatch(home: Home, ledger: Ledger, concurrency: int | None) -> DryRun:
    """Of ``validate run``: a shard is a calculation that is ready, or was under way when its dispatcher ended."""
    require_concurrency(concurrency)
    rows = ledger.rows(
        "SELECT r.name, r.engine, recipe_hash, count(*) AS n FROM calculations JOIN recipes r USING (recipe_hash) "
        "WHERE state IN (?, ?, ?) GROUP BY recipe_hash ORDER BY r.name",
        [CalculationState.READY, *IN_FLIGHT],
    )
    waiting = sum(row["n"] for row in rows)
    owner = held_by(home.validations)
    recipes = [(row["recipe_hash"], row["name"], row["n"]) for row in rows] or [("", "", 0)]
    expected = [expected_calculations(home, *recipe, concurrency) for recipe in recipes]
    return DryRun(
        what=f"Would work off {waiting:,} calculations.",
        name=str(home.validations),
        plan={
            "calculations_by_recipe": {f"{row['name']} {row['recipe_hash']}": row["n"] for row in rows},
            "engines": sorted({row["engine"] for row in rows}),
            "at_once": concurrency or "one for each CPU",
        },
        shards=waiting,
        shards_done=0,
        expected=expected_together(expected),
        folder=str(home.validations),
        notes=[f"it would be refused now: a dispatcher runs as process {owner}"] if owner else [],
    )


def _committed(folder: Path) -> set[str]:
    """Files of the shards that a run has committed; none where it was never begun."""
    return set(shard_lines(ShardManifest(folder).records())) if folder.is_dir() else set()


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} ({_plain(each)})" for key, each in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
