"""infra/docker: the Dockerfile is linted, pinned and not root, and what its steps do outside a container works.

No engine of containers runs here. The steps that can be run without one are: what is to be installed is read from
pyproject.toml, and the wheel is built and installed by tests/integration/test_packaging.py.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
DOCKERFILE = REPOSITORY / "infra" / "docker" / "Dockerfile"
IGNORED = REPOSITORY / "infra" / "docker" / "Dockerfile.dockerignore"
HADOLINT = Path(sys.executable).parent / "hadolint"


def instructions() -> list[tuple[str, str]]:
    """Instructions with what they are given, lines that go on joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(words[0].upper(), words[1]) for line in lines if len(words := line.split(None, 1)) == 2]


def stages() -> dict[str, str]:
    """Each stage and what it is from."""
    froms = [re.fullmatch(r"(\S+) AS (\S+)", rest) for name, rest in instructions() if name == "FROM"]
    return {match[2]: match[1] for match in froms if match}


def test_hadolint_has_nothing_against_it() -> None:
    done = subprocess.run([HADOLINT, "--failure-threshold", "style", DOCKERFILE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_sees_what_is_wrong(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text(DOCKERFILE.read_text(encoding="utf-8").replace("# hadolint ignore=DL3008\n", ""))
    done = subprocess.run([HADOLINT, "--failure-threshold", "style", bad], capture_output=True, text=True)
    assert done.returncode == 1
    assert "DL3008" in done.stdout


def test_the_base_is_pinned_and_all_stages_are_from_it() -> None:
    arguments = dict(rest.split("=", 1) for name, rest in instructions() if name == "ARG" and "=" in rest)
    version = re.fullmatch(r"docker\.io/library/python:(\d+\.\d+\.\d+)-slim-[a-z]+", arguments["BASE"])
    assert version, arguments["BASE"]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"Python :: {'.'.join(version[1].split('.')[:2])}" in " ".join(project["classifiers"])
    of = stages()
    assert of["image"] == "${VARIANT}"
    assert arguments["VARIANT"] in of
    assert {of[name] for name in ("requirements", "wheel", "cpu", "cuda")} == {"${BASE}"}


def test_everything_is_installed_with_the_constraints() -> None:
    installs = [rest for name, rest in instructions() if name == "RUN" and "pip install" in rest]
    assert len(installs) == 3
    assert all("--constraint" in rest or "--no-deps" in rest for rest in installs)


def test_it_ends_as_a_user_with_a_number_that_is_not_root() -> None:
    users = [rest for name, rest in instructions() if name == "USER"]
    assert users == ["1000:1000"]
    names = [name for name, _ in instructions()]
    assert "RUN" not in names[names.index("USER") :], "nothing is done after the rights are given up"


def test_tokens_are_on_and_no_secret_is_baked_in() -> None:
    settings = " ".join(rest for name, rest in instructions() if name == "ENV")
    assert "RAY_AUTH_MODE=token" in settings
    assert not re.search(r"(?i)TOKEN=|PASSWORD|SECRET|API_KEY", settings)


def test_only_what_is_copied_is_sent_to_the_build() -> None:
    rules = IGNORED.read_text(encoding="utf-8").split("\n")
    let_through = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        source
        for name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for source in shlex.split(rest)[:-1]
    }
    assert copied == let_through
    assert all((REPOSITORY / name).exists() for name in copied)
    assert "*" in rules
    assert any(fnmatch.fnmatch("platform/crystalforge/__pycache__", rule.replace("**/", "*")) for rule in rules)


@pytest.mark.parametrize("extras", ["", "mlip", "mlip,vasp"])
def test_the_step_that_reads_the_requirements_reads_those_of_the_package(extras: str, tmp_path: Path) -> None:
    """Its own line is run, as the build runs it."""
    (step,) = [rest for name, rest in instructions() if name == "RUN" and "tomllib" in rest]
    command = step.replace("python", shlex.quote(sys.executable), 1).replace("> requirements.txt", "")
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((REPOSITORY / name).read_bytes())
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env={"EXTRAS": extras}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    expected = project["dependencies"] + [each for name in extras.split(",") if name for each in optional[name]]
    assert done.stdout.splitlines() == expected


def test_an_extra_that_is_not_there_stops_the_build(tmp_path: Path) -> None:
    (step,) = [rest for name, rest in instructions() if name == "RUN" and "tomllib" in rest]
    (tmp_path / "pyproject.toml").write_bytes((REPOSITORY / "pyproject.toml").read_bytes())
    command = step.replace("python", shlex.quote(sys.executable), 1)
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env={"EXTRAS": "mlp"}, capture_output=True, text=True)
    assert done.returncode != 0
    assert "mlp" in done.stderr
