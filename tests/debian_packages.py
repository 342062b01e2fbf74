"""Programs of Debian's packages for tests that need services: installed where they are missing and this may install."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


def find_program(name: str) -> str | None:
    """Path of a program, also where it is not on a user's path."""
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join(map(str, (*newest_first, os.environ["PATH"], "/usr/sbin", "/sbin"))))


def require_programs(programs: Sequence[str], packages: Sequence[str]) -> dict[str, str]:
    """Paths of programs; installs their packages, without starting what these start, if one is missing.

    Raises:
        RuntimeError: they are missing and cannot be installed here.
    """
    if not all(map(find_program, programs)):
        _install(packages)
    found = {program: find_program(program) for program in programs}
    missing = [program for program, path in found.items() if path is None]
    if missing:
        raise RuntimeError(f"No {', '.join(missing)} here: install {' '.join(packages)} as root, on Debian or Ubuntu.")
    return {program: str(path) for program, path in found.items()}


def _install(packages: Sequence[str]) -> None:
    if os.getuid() != 0 or not shutil.which("apt-get"):
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # its services stay off
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    subprocess.run(["apt-get", "update", "--quiet"], check=False, capture_output=True)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1:]}")
