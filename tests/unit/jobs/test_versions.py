"""The versions of a node: found without crystalforge, compared in words."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import ray.cloudpickle

from crystalforge.errors import ClusterError
from crystalforge.jobs.versions import CHECKED, CODE, MODULES, differences, looker, refuse_here, versions_here

LOOK = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read())()['crystalforge'])"


def test_the_code_has_a_version_of_its_own() -> None:
    here = versions_here()
    assert here.keys() == {"Python", *CHECKED}
    assert here["crystalforge"].startswith("0.1.0 (code ")
    assert "+" not in here["torch"]


def test_one_code_has_one_version_wherever_it_is_installed(tmp_path: Path) -> None:
    """A checkout has the code in three folders, an installed package in one."""
    package = tmp_path / "crystalforge"
    for inside, module in MODULES.items():
        folder = Path(import_module(module).__file__ or "").parent
        for path in folder.rglob("*"):
            if path.suffix in CODE:
                copy = package / inside / path.relative_to(folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
    assert _looked_up_in(tmp_path) == versions_here()["crystalforge"]
    (package / "errors.py").write_text("# another")
    assert _looked_up_in(tmp_path) != versions_here()["crystalforge"]


def _looked_up_in(folder: Path, *flags: str) -> str:
    """What another Python, which finds packages in the folder first, answers to what Ray would send it."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", LOOK],
        input=ray.cloudpickle.dumps(looker()),
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def test_a_node_without_our_code_can_be_asked() -> None:
    """All other packages are there; an editable installation is not, as it needs what -S leaves out."""
    packages = Path(ray.__file__).parents[1]
    assert _looked_up_in(packages, "-S").endswith("(code e3b0c44298fc)"), "the SHA-256 of nothing"


def test_a_difference_is_told_with_both_versions() -> None:
    expected = {"Python": "3.12.1", "torch": "2.13.0", "ray": "2.60.0"}
    assert differences(expected, expected) == ""
    found = {"Python": "3.12.1", "torch": "2.12.0"}
    assert differences(found, expected) == "torch 2.12.0 where 2.13.0 is expected; ray none where 2.60.0 is expected"


def test_a_late_node_refuses_itself() -> None:
    refuse_here({})
    refuse_here(versions_here())
    with pytest.raises(
        ClusterError,
        match=r"^Node \S+ has other versions than this command: torch \S+ where 1\.0 is expected\. Install",
    ):
        refuse_here(versions_here() | {"torch": "1.0"})
