"""The one way to connect to Ray: a cluster by the setting ``ray_address``, or a quiet local one for this command."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import ray

from crystalforge.errors import CrystalforgeError
from crystalforge.settings import shared_setting

TRAINER_SLOT = "trainer_slot"
"""Custom resource that throttles trainers: without it every queued one holds a controller process while it waits.

A cluster declares 1 of it in all; with room for n trainers each takes 1/n.
"""

ANSWER_S = 10.0
"""A cluster that is there accepts a connection within milliseconds."""

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray Train polls its workers every 2 s by default, which costs about 4 s for each trainer's start and end.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # One thread for each worker: the workers share the cores, and sums keep one order.
    "OMP_NUM_THREADS": "1",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    # Ray Data's own actors make Ray's C++ core warn on stderr at every start; set it lower to look into Ray itself.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


@contextlib.contextmanager
def connected(*, num_cpus: int | None = None) -> Iterator[None]:
    """Connect to Ray for the length of a ``with``; a cluster that is connected already is used and left alone.

    Args:
        num_cpus: CPUs of a local cluster; all of the machine by default. Ignored when ``RAY_ADDRESS`` is set.

    Raises:
        CrystalforgeError: Ray does not start or the address does not answer.
    """
    if ray.is_initialized():
        yield
        return
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    setting = shared_setting("ray_address")
    address = str(setting.value) if setting else None
    try:
        if address:
            _ask(address)
            ray.init(address=address, logging_level="ERROR", log_to_driver=False)
        else:
            _start_local(num_cpus or os.cpu_count() or 1)
    except Exception as error:  # the named boundary: Ray raises whatever it met, a bare Exception too
        ray.shutdown()  # ends what had started
        where, repair = "on this machine", "Check its memory, its temporary folder and the limits on processes"
        if setting:
            where = f"at RAY_ADDRESS={address}"
            in_file = not setting.origin.endswith("RAY_ADDRESS")
            leave_out = f"take ray_address out of {setting.origin}" if in_file else "unset RAY_ADDRESS"
            repair = f"Start that cluster, or {leave_out} to work without it"
        raise CrystalforgeError(f"Ray does not start {where}: {error}. {repair}; `platform doctor` looks.") from error
    try:
        yield
    finally:
        ray.shutdown()


def _ask(address: str) -> None:
    """Raise ``OSError`` if nothing listens at a ``host:port``: Ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()


LOCAL_ENVIRONMENT = {
    # A machine of one's own is not taken away; the watcher is a process for each trainer.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}


def _start_local(num_cpus: int) -> None:
    for name, value in LOCAL_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    ray.init(
        address="local",  # not a cluster that somebody started on this machine: that one is asked for by RAY_ADDRESS
        num_cpus=num_cpus,
        resources={TRAINER_SLOT: 1},
        include_dashboard=False,
        logging_level="ERROR",
        log_to_driver=False,
    )
