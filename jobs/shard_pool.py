"""Shards over a pool of Ray's workers, for every table that is made in shards.

Ray Data carries shard descriptors to the workers and manifest lines back; the rows themselves go from the worker to its
own file. (Ray Data's own Parquet writer doubles the rows of a second run and leaves truncated files under final names.)
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray
import ray.data

from crystalforge.errors import CrystalforgeError
from crystalforge.jobs.cluster import connected
from crystalforge.jobs.resources import gpu_share
from crystalforge.jobs.versions import Versions, refuse_here

WORKER_CPUS = 0.5
"""Of each worker: a pool that takes every CPU starves Ray Data's own readers and hangs."""
THREADS_S = 10.0
"""They end within milliseconds, unless the machine is busy or a node does not answer."""
WORKING_THREADS = ("iter_threaded", "StreamingExecutor", "ray-data-metadata-prefetch")
"""Names of those of Ray Data that ask Ray; its "Prefetcher" sleeps until it is asked, and is never told to end."""


class PoolLostError(CrystalforgeError):
    """Ray itself gave up; its text is Ray's last line."""


class CheckedWorker:
    """A worker that refuses a node whose versions are not the command's: one that joined after the work began."""

    def __init__(self, versions: Versions, worker: type, arguments: tuple[Any, ...]) -> None:
        refuse_here(versions)
        self.worker = worker(*arguments)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """As the worker itself."""
        line: dict[str, Any] = self.worker(row)
        return line


def work_off(
    folder: Path, worker: type, arguments: tuple[Any, ...], shards: Sequence[Any], most_workers: int | None = None
) -> Iterator[dict[str, Any]]:
    """A line for each shard as it ends, from a pool that has as many workers as the cluster has CPUs.

    Args:
        folder: of the table; nodes that join or are lost are noted in it.
        worker: called with a shard's fields, in a process of its own that keeps it.
        arguments: of its constructor.
        shards: dataclasses, at least one.
        most_workers: fewer than there are CPUs; None for no such limit.

    Raises:
        PoolLostError: Ray gave up.
        CrystalforgeError: Ray does not start.
    """
    with connected(folder=folder) as cluster:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        room = cluster.room()
        n_workers = max(1, min(int(room.get("CPU", 1)), len(shards), most_workers or len(shards)))
        rows = ray.data.from_items([asdict(shard) for shard in shards], override_num_blocks=len(shards))
        earlier = set(threading.enumerate())
        lines = rows.map(
            CheckedWorker,
            fn_constructor_args=(cluster.versions, worker, arguments),
            compute=ray.data.ActorPoolStrategy(size=n_workers),
            num_cpus=WORKER_CPUS,
            num_gpus=gpu_share(room.get("GPU", 0), n_workers) or None,
        )
        try:
            yield from lines.iter_rows()
        except ray.exceptions.RayError as error:
            raise PoolLostError(str(error).strip().splitlines()[-1]) from error
        finally:
            lines._synchronize_progress_bar()  # there is no public way
            _wait_for_threads(earlier)


def _wait_for_threads(earlier: set[threading.Thread]) -> None:
    """Let Ray Data's threads end before Ray does: one that asks a Ray that is gone ends this process with code 1.

    Stopped in the middle, Ray Data tells its threads to end and does not wait for them.
    """
    deadline = time.monotonic() + THREADS_S
    for thread in set(threading.enumerate()) - earlier:
        if thread.name.startswith(WORKING_THREADS):
            thread.join(max(0.0, deadline - time.monotonic()))
