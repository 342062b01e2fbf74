"""Every command that a document shows is run, or at least parsed by the real commands where running costs too much."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import typer.main
from shown_commands import REPOSITORY, Shown, blocks, documents, inline_commands, name_of, shell_lines
from typer.testing import CliRunner

import crystalforge
from crystalforge.cli.app import app
from crystalforge.cli.options import parse_space_groups
from crystalforge.dataset import find_dataset
from crystalforge.gan.recipe import load_recipe
from crystalforge.generation.plan import Balance, GenerationPlan
from crystalforge.home import MATERIALS_FILE, Home
from crystalforge.jobs.resources import TrainerResources
from crystalforge.validation.recipe import load_recipe as load_calculation

NOT_RUN = {
    r"platform train-all.*": "trains for minutes; tests/integration/test_train_all.py",
    r"platform generate.*": "starts Ray; tests/integration/test_generate.py, test_generate_options.py, test_steps.py",
    r"platform screen.*": "needs CHGNet, an extra; tests/integration/test_screen.py relaxes with EMT",
    r"platform stability.*": "needs a screening of raw samples; tests/integration/test_screen.py",
    r"platform evaluate.*": "judges for minutes; tests/integration/test_evaluate.py",
    r"platform validate (enqueue|run|judge|calibrate).*": "needs GPAW; tests/integration/test_validate.py",
    r"platform validate (status|show|retry|pause|cancel).*": "needs a queue; tests/unit/cli/test_validate_command.py",
    r"platform (ui|explore|metrics(?!.*--once)).*": "serves until Ctrl-C; tests of ui, explore and metrics",
    r"platform submit.*": "needs a cluster; tests/fault/test_several_nodes.py",
    r"platform doctor.*": "starts Ray; tests/unit/cli/test_doctor.py",
    r"platform report .+": "takes seconds each; the plain form is run, and tests of the report run these options",
    r"platform dataset build (materials-project|optimade).*": "asks a server; its tests start one of their own",
}
"""Commands that are not run, and why: planned where they have --dry-run, else parsed."""
VALUES: dict[tuple[str, str], Callable[[str], Any]] = {
    ("train-all", "recipe"): load_recipe,
    ("train-all", "resources"): TrainerResources.parse,
    ("train-all", "space_groups"): parse_space_groups,
    ("generate", "recipe"): load_recipe,
    ("generate", "balance"): Balance,
    ("generate", "space_groups"): parse_space_groups,
    ("validate enqueue", "recipe"): load_calculation,
}
"""Options whose values are read within the command: how."""
NOT_PLANNED = {
    re.compile(r"needs the package 'chgnet'"): "an extra",
    re.compile(r"No training of recipe swap"): "the small home has no such baseline",
    re.compile(r"has no queue yet"): "the small home has no calculations",
    re.compile(r"No Wyckoff template of space group"): "the small home has models of three space groups",
}
"""What a command may say to --dry-run, and why."""
ABBREVIATED = re.compile(r"\(\.\.\.\)|\[\.\.\.\]|\(three of")
"""Lines that say a part of their SQL in words."""
NOTHING_FITS = re.compile(r"^Error: No (crystal|candidate)\b.*expected", re.MULTILINE)
"""What a command may say whose condition asks for energies or calculations: the small home has none."""
NEEDS_MORE = re.compile(r"energy_above_hull|--table validations")
HASHES = {re.compile(r"[0-9a-f]{10}"): "GENERATION", re.compile(r"[a-z]+-[0-9a-f]{10}"): "TRAINING"}
"""Names that documents show, and what they name."""
OTHER_PROGRAMS = {
    "cd": "changes the folder",
    "git": "fetches the repository",
    "export": "sets a variable",
    "jupyter": "opens a notebook; tests/integration/test_notebooks.py runs them",
}
NOT_RUN_PYTHON = re.compile(r"crystalforge\.(train_all|generate|screen)\(")
"""Blocks that train, draw or relax: only compared with the signatures. tests/integration/test_steps.py runs them."""

SHOWN = {shown.line: shown for path in documents() for shown in shell_lines(path)}
SHELL = {"platform --install-completion"}
"""Changes the user's shell: parsing alone would do it; tests/unit/cli/test_completion_in_shells.py installs it."""
PLATFORM = [
    shown for shown in SHOWN.values() if shown.words[0] in ("platform", "crystalforge") and shown.line not in SHELL
]
RUN = [shown for shown in PLATFORM if not any(re.fullmatch(rule, shown.line, re.DOTALL) for rule in NOT_RUN)]
NOT_RUN_LINES = [shown for shown in PLATFORM if shown not in RUN]
OTHERS = [shown for shown in SHOWN.values() if shown not in PLATFORM and shown.line not in SHELL]
INLINE = {shown.line: shown for path in documents() for shown in inline_commands(path)}
PYTHON = [(name_of(path), code) for path in documents() for language, code in blocks(path) if language == "python"]


def ids(shown: list[Shown]) -> list[str]:
    return [re.sub(r"\W+", "-", each.line)[:60] for each in shown]


@pytest.fixture(scope="module")
def place(candidates: tuple[Home, GenerationPlan], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small home and the files that the documents name."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(candidates[0].path, folder / "home")
    for name in ("crystals.parquet", "my_crystals.parquet"):
        shutil.copy(str(files("crystalforge.dataset") / "bundled" / MATERIALS_FILE), folder / name)
    materials = find_dataset(candidates[0]).materials()
    rows = materials.filter(pc.equal(materials["space_group_number"], 225)).slice(0, 2).to_pylist()
    texts = [crystalforge.to_structure(row).to(fmt="cif", symprec=0.01) for row in rows]
    (folder / "question.sql").write_text("SELECT * FROM candidates")
    known = {"formula": ["AlCu"], "formation_energy_per_atom": [0.0], "element": ["Al"], "energy_per_atom": [0.0]}
    for file in ("hull.parquet", "elements.parquet", "hull_reference.parquet"):
        pq.write_table(pa.table(known), folder / file)
    (folder / "folder_of_cifs").mkdir()
    for row, text in zip(rows, texts, strict=True):
        (folder / "folder_of_cifs" / f"{row['material_id']}.cif").write_text(text)
    quoted = "\n".join(f'{row["material_id"]},"{text}"' for row, text in zip(rows, texts, strict=True))
    (folder / "mp_20_train.csv").write_text(f"material_id,cif\n{quoted}\n")
    return folder


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new folder to stand in, with links to these."""
    for path in place.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "crystalforge-demo").symlink_to(place / "home")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRYSTALFORGE_HOME", str(place / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path


@pytest.fixture(scope="module")
def names(candidates: tuple[Home, GenerationPlan]) -> dict[str, str]:
    """What stands in the small home for the words that the documents leave open."""
    home, plan = candidates
    first = crystalforge.sql("SELECT sample_id, crystal_id FROM candidates ORDER BY ALL LIMIT 1", home=home).iloc[0]
    of_plan = {"GENERATION": plan.generation_id, "TRAINING": plan.training_id, "DATASET": plan.dataset_id}
    of_plan |= dict.fromkeys(("DONORS", "SWAPS"), plan.generation_id)
    return of_plan | {"CRYSTAL_ID": first.crystal_id, "SAMPLE_ID": first.sample_id}


@pytest.mark.parametrize("shown", RUN, ids=ids(RUN))
def test_a_shown_command_runs(shown: Shown, here: Path, names: dict[str, str]) -> None:
    for call in shown.calls:
        stdin = (here / call.stdin).read_text() if call.stdin else None
        result = CliRunner().invoke(app, filled_in(call.words[1:], names), input=stdin)
        if NEEDS_MORE.search(shown.line) and NOTHING_FITS.search(result.output):
            return
        assert result.exit_code == 0, f"{shown.document}: {shown.line}\n{result.output}"
        assert result.stdout or not call.stdout


def filled_in(words: list[str], names: dict[str, str]) -> list[str]:
    """A command with the names of the small home."""
    kinds = [next((kind for name, kind in HASHES.items() if name.fullmatch(word)), word) for word in words]
    return [names.get(kind, kind) for kind in kinds]


def parsed(words: list[str]) -> tuple[list[str], Any]:
    """Words of the command and its context; options and values are those that it takes."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("platform", words)
    path: list[str] = []
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        path.append(name)
        context = command.make_context(name, rest, parent=context)
    return path, context


@pytest.mark.parametrize("shown", NOT_RUN_LINES, ids=ids(NOT_RUN_LINES))
def test_a_shown_command_that_is_not_run_is_planned_or_parsed(
    shown: Shown,
    here: Path,
    names: dict[str, str],
    candidates: tuple[Home, GenerationPlan],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRYSTALFORGE_HOME", str(candidates[0].path))  # nothing of this writes
    for call in shown.calls:
        words = filled_in(call.words[1:], names | {"mine": names["DATASET"], "ID": names["GENERATION"]})
        path, context = parsed(words)
        for name, value in context.params.items():
            if value is not None and (read := VALUES.get((" ".join(path), name))):
                read(value)
        if "dry_run" in context.params and not ABBREVIATED.search(shown.line):
            planned = CliRunner().invoke(app, dry(words))
            if not any(reason.search(planned.output) for reason in NOT_PLANNED):
                assert planned.exit_code == 0, f"{shown.document}: {shown.line}\n{planned.output}"


def dry(words: list[str]) -> list[str]:
    """The command with --dry-run; `submit` takes its options before the command that it sends."""
    if "--dry-run" in words:
        return words
    return ["submit", "--dry-run", *words[1:]] if words[0] == "submit" else [*words, "--dry-run"]


def test_no_reason_is_left_over() -> None:
    unused = [rule for rule in NOT_RUN if not any(re.fullmatch(rule, line, re.DOTALL) for line in SHOWN)]
    assert not unused


@pytest.mark.parametrize("shown", INLINE.values(), ids=list(INLINE))
def test_a_command_within_the_text_exists(shown: Shown) -> None:
    words = shown.words
    if words[0] not in ("platform", "crystalforge"):
        check_other(shown)
        return
    command: Any = typer.main.get_command(app)
    rest = words[1:]
    if "COMMAND" in rest:  # any of them
        return
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"{shown.document}: {shown.line}"
        command, rest = command.commands[rest[0]], rest[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    asked = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert asked <= known | {"--help"}, f"{shown.document}: {shown.line}"


@pytest.mark.parametrize("shown", OTHERS, ids=ids(OTHERS))
def test_another_program_is_given_what_there_is(shown: Shown) -> None:
    check_other(shown)


def check_other(shown: Shown) -> None:
    """A target of the Makefile, an extra of the package, a script of the repository."""
    program, *rest = shown.words
    if program == "make":
        targets = set(re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        assert {word for word in rest if "=" not in word} <= targets, shown.line
    elif program == "pip":
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = {extra for word in rest for found in re.findall(r"\[(.+)\]", word) for extra in found.split(",")}
        assert extras <= set(project["optional-dependencies"]), shown.line
    elif program == "python":
        script = rest[0] if rest[0] != "-m" else f"platform/{rest[1].replace('.', '/')}.py"
        assert (REPOSITORY / script).is_file(), shown.line
    else:
        assert program in OTHER_PROGRAMS, f"{shown.document} shows a program that no test knows: {shown.line}"


@pytest.mark.parametrize(("document", "code"), PYTHON, ids=[document for document, _ in PYTHON])
def test_shown_python_runs(document: str, code: str, here: Path) -> None:
    if NOT_RUN_PYTHON.search(code):
        check_calls(code)
    else:
        exec(compile(code, document, "exec"), {"__name__": "__main__"})


def check_calls(code: str) -> None:
    """Every call of a public function has arguments that it takes."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    ours = [call for call in calls if ast.unparse(call.func).startswith("crystalforge.")]
    assert ours
    for call in ours:
        function = getattr(crystalforge, ast.unparse(call.func).removeprefix("crystalforge."))
        keywords: dict[str, Any] = {keyword.arg: None for keyword in call.keywords if keyword.arg}
        inspect.signature(function).bind(*call.args, **keywords)


def test_each_document_was_read() -> None:
    assert {"README.md", "docs/tutorial.md", "docs/commands.md"} <= {shown.document for shown in PLATFORM}
    assert sys.version_info >= (3, 11)
