"""An attempt as a task of Ray: its resources, its sending, and what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray

from crystalforge.validation.attempt import AttemptOrder, run_attempt
from crystalforge.validation.leftovers import end_leftovers
from crystalforge.validation.recipe import Resources
from crystalforge.validation.reconcile import host_of, on_this_machine, report_of
from crystalforge.validation.states import ErrorClass

MB = 10**6


@ray.remote(max_retries=0)
def _work(order: AttemptOrder) -> dict[str, Any]:
    return run_attempt(order)


def dispatch(order: AttemptOrder, resources: Resources) -> Any:
    """Give an attempt to Ray; returns the reference to its end. Retries are the ledger's, not Ray's."""
    return _work.options(**_options(resources)).remote(order)


def report_of_task(reference: Any, order: AttemptOrder) -> dict[str, Any]:
    """What became of an attempt: the result file if it is there, else what the worker said, else how it was lost."""
    lost, returned = None, None
    try:
        returned = ray.get(reference)
    except ray.exceptions.OutOfMemoryError as error:
        lost = (ErrorClass.OUT_OF_MEMORY, error)
    except ray.exceptions.RayTaskError as error:
        lost = (ErrorClass.INTERNAL, error)
    except ray.exceptions.RayError as error:
        lost = (ErrorClass.WORKER_LOST, error)
    folder = Path(order.folder)
    if lost and on_this_machine(folder):
        end_leftovers(order.attempt_id)
    report = report_of(folder) or returned
    if report is None and lost:
        error_class, cause = lost
        text = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        report = {"error_class": error_class.value, "error_text": text, "result": None, "host": host_of(folder)}
    if report is None:
        report = {"error_class": ErrorClass.INTERNAL.value, "error_text": "The worker said nothing.", "result": None}
    return report


def _options(resources: Resources) -> dict[str, Any]:
    """A recipe's resources in Ray's words."""
    return {
        "num_cpus": resources.cores,
        "num_gpus": resources.gpus or None,
        "memory": int(resources.memory_mb * MB),
        "resources": dict(resources.custom) or None,
    }


def unfit(resources: Resources) -> str | None:
    """Why no machine of the cluster can ever run it: Ray would let it wait without end. None if one can."""
    wanted = {"CPU": resources.cores, "GPU": resources.gpus, "memory": resources.memory_mb * MB, **resources.custom}
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(machine.get(name, 0) >= amount for name, amount in wanted.items()) for machine in machines):
        return None
    asked = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items() if amount)
    there = "; ".join(", ".join(f"{machine.get(name, 0):g} {name}" for name in wanted) for machine in machines)
    return f"It needs {asked} on one machine; the cluster has {there}."
