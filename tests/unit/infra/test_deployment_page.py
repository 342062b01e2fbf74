"""docs/deploy.md: the files that its commands name are there."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
PAGE = REPOSITORY / "docs" / "deploy.md"
BUILD_ARGUMENT = re.compile(r"--build-arg (\w+)=")


def test_every_file_of_infra_that_it_names_is_there() -> None:
    named = set(re.findall(r"infra/[\w./-]+\w", PAGE.read_text(encoding="utf-8")))
    assert len(named) >= 6
    assert not [name for name in named if not (REPOSITORY / name).exists()]


def test_every_build_argument_is_one_of_the_dockerfile() -> None:
    dockerfile = (REPOSITORY / "infra" / "docker" / "Dockerfile").read_text(encoding="utf-8")
    known = set(re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE))
    shown = set(BUILD_ARGUMENT.findall(PAGE.read_text(encoding="utf-8") + dockerfile))
    assert {"VARIANT", "BASE", "DFT", "EXTRAS"} <= shown <= known


def test_every_variable_of_the_batch_script_is_told() -> None:
    script = (REPOSITORY / "infra" / "slurm" / "crystalforge.sbatch").read_text(encoding="utf-8")
    settable = set(re.findall(r"\$\{(CRYSTALFORGE_\w+):-", script))
    told = set(re.findall(r"^\| `(CRYSTALFORGE_\w+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert settable == told
