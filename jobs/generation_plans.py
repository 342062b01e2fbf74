"""What a generation will draw: a new plan from the models and the request, or that of an earlier command."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

from crystalforge.errors import DamagedFileError, GenerationError, UsageError
from crystalforge.files import read_record
from crystalforge.gan.request import NOTHING_ASKED, Request
from crystalforge.generation.plan import PLANNED, Balance, GenerationPlan, check_count, share_out
from crystalforge.home import GENERATION_RECORD, Home
from crystalforge.jobs.requests import capacities, refuse_too_many
from crystalforge.jobs.trained_models import TrainedModels
from crystalforge.suggestions import did_you_mean

logger = logging.getLogger(__name__)


def plan_generation(
    models: TrainedModels,
    count: int,
    *,
    seed: int,
    balance: Balance = Balance.TRAINING,
    space_groups: Sequence[int] | None = None,
    shard_size: int,
    min_contact_ratio: float,
    request: Request = NOTHING_ASKED,
    say: Callable[[str], None] = logger.info,
) -> GenerationPlan:
    """Share the count among the space groups and fix everything that decides the bytes.

    With a request, a group's weight is multiplied by the share of its distribution that meets it: the samples are
    those that a generation without the request would leave after filtering, only that none is drawn in vain.

    Raises:
        UsageError: the count is not positive, or no group, or none that was named, can give what is requested.
        ModelNotFoundError: a space group has no model.
    """
    check_count(count)
    if not (math.isfinite(min_contact_ratio) and min_contact_ratio >= 0):
        raise UsageError(f"--min-contact-ratio must be a number from 0, got {min_contact_ratio}.")
    wanted = models.choose(space_groups)
    weights: dict[int, float] = {
        number: models.counts[number] if balance is Balance.TRAINING else 1 for number in wanted
    }
    if not request.is_empty:
        found = capacities(models, wanted, request, by_name=space_groups is not None, say=say)
        by_share = balance is Balance.TRAINING
        weights = {number: weights[number] * (found[number].share if by_share else 1) for number in found}
    counts = share_out(count, weights)
    if request.distinct:
        refuse_too_many(counts, found)
    return GenerationPlan(
        training_id=models.training_id,
        dataset_id=models.dataset_id,
        seed=seed,
        count=count,
        counts=counts,
        models={number: models.checksum(number) for number in counts},
        shard_size=shard_size,
        min_contact_ratio=min_contact_ratio,
        request=request,
    )


def load_plan(home: Home, generation_id: str) -> GenerationPlan:
    """The plan of an earlier generation, to continue it.

    Raises:
        GenerationError: there is none of that name.
    """
    known = {record.parent.name: record for record in sorted(home.generations.glob(f"*/{GENERATION_RECORD}"))}
    if generation_id not in known:
        raise GenerationError(
            f"No generation '{generation_id}' in {home.generations}: it has {', '.join(known) or 'none'}."
            f"{did_you_mean(generation_id, known)}"
        )
    path = known[generation_id]
    plan = GenerationPlan.from_json(read_record(path, PLANNED))
    if plan.generation_id != generation_id:
        raise DamagedFileError(
            f"{path} is damaged: expected the plan of generation {generation_id}, got that of {plan.generation_id}. "
            "Restore it, or plan the generation anew."
        )
    return plan
