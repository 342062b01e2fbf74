"""The checks of ``platform doctor``: each looks at one thing and starts nothing."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crystalforge.errors import CrystalforgeError
from crystalforge.files import nearest_existing
from crystalforge.home import MLFLOW_DATABASE, Home
from crystalforge.local_disk import local_state, network_kind
from crystalforge.object_store import on_store
from crystalforge.secrecy import hide_secrets
from crystalforge.settings import shared_setting

DISTRIBUTION = "crystalforge"
LEAST_PYTHON = (3, 11)
LEAST_MEMORY_GIB = 4.0
"""Ray idles at 0.7 GB and a trainer takes about 0.6 GB."""
LEAST_DISK_GIB = 1.0
ADVISED_DISK_GIB = 5.0
CONNECT_LIMIT_S = 2.0


class State(StrEnum):
    """What a check found."""

    GOOD = "good"
    """As it should be."""
    ADVICE = "advice"
    """Works, with less comfort or speed."""
    MISSING = "missing"
    """Required and not there: the exit code is 1."""

    @property
    def sign(self) -> str:
        """One character for the table."""
        return {"good": "✓", "advice": "!", "missing": "✗"}[self.value]


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report."""

    name: str
    state: State
    found: str
    repair: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"name": self.name, "state": self.state.value, "found": self.found, "repair": self.repair}


def examine(home: Home) -> list[Check]:
    """Look at everything; nothing is started, and nothing is left behind in the home."""
    return [
        _python(),
        *_packages(),
        _torch(),
        _cpus(),
        _memory(),
        _ray_address(),
        _home(home.path),
        _disk(local_state() if on_store(home.path) else home.path),
        _mlflow_store(home),
    ]


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, LEAST_PYTHON))
    good = sys.version_info >= LEAST_PYTHON
    return Check("Python", State.GOOD if good else State.MISSING, found, "" if good else f"Install Python {wanted}+.")


def _packages() -> list[Check]:
    """Each package that the installed crystalforge requires, against the least version that it names."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return [Check(DISTRIBUTION, State.MISSING, "not installed", "Run `pip install .` in the checkout.")]
    needed = [line for line in required if "extra ==" not in line]
    return [check for line in needed if (check := _package(line)) is not None]


def _package(requirement: str) -> Check | None:
    match = re.match(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?\s*(?:\(?>=\s*([0-9.]+))?", requirement)
    if match is None:
        return None
    name, least = match[1], match[2] or "0"
    wanted = f"{name}>={least}"
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, State.MISSING, "not installed", f"pip install '{wanted}'")
    if _numbers(found) < _numbers(least):
        return Check(name, State.MISSING, f"{found}, needs {least}", f"pip install --upgrade '{wanted}'")
    if find_spec(_module(name)) is None:
        return Check(
            name, State.MISSING, f"{found}, but its module is gone", f"pip install --force-reinstall '{wanted}'"
        )
    return Check(name, State.GOOD, found)


def _module(distribution: str) -> str:
    return distribution.replace("-", "_").lower()


def _numbers(version: str) -> tuple[int, ...]:
    """Leading numbers of a version: ``2.13.0+cpu`` is (2, 13, 0)."""
    return tuple(int(part) for part in re.match(r"[0-9.]*", version)[0].split(".") if part)  # type: ignore[index]


def _torch() -> Check:
    if find_spec("torch") is None:
        return Check("devices", State.MISSING, "torch is not installed", "pip install torch")
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check("devices", State.MISSING, f"torch does not import: {error}", "pip install --force-reinstall torch")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if names:
        return Check("devices", State.GOOD, f"{len(names)} GPU: {', '.join(names)}")
    if torch.backends.mps.is_available():
        return Check("devices", State.GOOD, "Apple GPU (mps)")
    advice = "Training runs on CPUs; a GPU needs its driver and a torch built for it."
    return Check("devices", State.ADVICE, "CPU only", advice)


def _cpus() -> Check:
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    if count < 2:
        return Check("CPU cores", State.ADVICE, str(count), "Ray wants 2 or more: one is left for its own work.")
    return Check("CPU cores", State.GOOD, str(count))


def _memory() -> Check:
    if find_spec("psutil") is None:
        return Check("memory", State.MISSING, "psutil is not installed", "pip install psutil")
    import psutil

    total = min(psutil.virtual_memory().total, _control_group_limit()) / 2**30
    if total < LEAST_MEMORY_GIB:
        return Check("memory", State.ADVICE, f"{total:.1f} GiB", f"{LEAST_MEMORY_GIB:g} GiB or more are advised.")
    return Check("memory", State.GOOD, f"{total:.1f} GiB")


def _control_group_limit() -> float:
    """Memory limit of a container (bytes); infinite where there is none."""
    path = Path("/sys/fs/cgroup/memory.max")
    text = path.read_text().strip() if path.is_file() else "max"
    return float("inf") if text == "max" else float(text)


def _ray_address() -> Check:
    setting = shared_setting("ray_address")
    if setting is None:
        return Check("Ray cluster", State.GOOD, "none named: commands start one on this machine")
    address = str(setting.value)
    parts = urlsplit(address if "//" in address else f"//{address}")
    try:
        port = parts.port
    except ValueError:
        return Check("Ray cluster", State.MISSING, f"RAY_ADDRESS={address}", "Expected HOST:PORT.")
    if parts.hostname is None or port is None:
        return Check("Ray cluster", State.GOOD, f"RAY_ADDRESS={address} (not tried)")
    try:
        socket.create_connection((parts.hostname, port), timeout=CONNECT_LIMIT_S).close()
    except OSError as error:
        repair = "Start that cluster, or unset RAY_ADDRESS to use this machine."
        return Check("Ray cluster", State.MISSING, f"RAY_ADDRESS={address} does not answer: {error}", repair)
    return Check("Ray cluster", State.GOOD, f"RAY_ADDRESS={address} answers")


def _store(path: Path) -> Check:
    """Whether an object can be put on the store, read and removed again."""
    trial = path / f".doctor-{secrets.token_hex(8)}"
    try:
        trial.write_bytes(b"found")
        found = trial.read_bytes()
        trial.unlink()
    except CrystalforgeError as error:
        return Check("home", State.MISSING, str(path), str(error))
    if found != b"found":
        return Check("home", State.MISSING, f"{path} gives back other bytes than were put", "Look into the store.")
    return Check("home", State.GOOD, f"{path}, with locks and copies in {local_state()}")


def _home(path: Path) -> Check:
    if on_store(path):
        return _store(path)
    if kind := network_kind(path):
        repair = "Locks hold for one machine there: run one command at a time on a training or generation."
        return Check("home", State.ADVICE, f"{path} is on {kind}", repair)
    existing = nearest_existing(path)
    if not os.access(existing, os.W_OK | os.X_OK):
        return Check(
            "home", State.MISSING, f"{path} cannot be written", "Give another with --home or CRYSTALFORGE_HOME."
        )
    return Check("home", State.GOOD, str(path) if path.exists() else f"{path} (will be made)")


def _disk(path: Path) -> Check:
    free = shutil.disk_usage(nearest_existing(path)).free / 2**30
    found = f"{free:.1f} GiB free"
    if free < LEAST_DISK_GIB:
        return Check("disk", State.MISSING, found, f"Free some: {LEAST_DISK_GIB:g} GiB are needed at the home.")
    if free < ADVISED_DISK_GIB:
        return Check("disk", State.ADVICE, found, f"{ADVISED_DISK_GIB:g} GiB are advised at the home.")
    return Check("disk", State.GOOD, found)


def _mlflow_store(home: Home) -> Check:
    if network_kind(home.mlflow):
        setting = shared_setting("mlflow_tracking_uri")
        repair = "" if setting else "Set MLFLOW_TRACKING_URI: the home cannot hold the store of MLflow."
        found = hide_secrets(str(setting.value)) if setting else "none"
        return Check("MLflow store", State.GOOD if setting else State.ADVICE, found, repair)
    store = home.mlflow / MLFLOW_DATABASE
    if store.is_file():
        return Check("MLflow store", State.GOOD, str(store))
    return Check("MLflow store", State.ADVICE, "none yet", "The first `platform train-all` makes it.")
