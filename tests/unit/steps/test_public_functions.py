"""`import crystalforge` offers the steps of the command line, with its arguments, at no cost."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

import crystalforge
from crystalforge.cli.app import app

FUNCTIONS = [name for name in crystalforge.__all__ if name != "__version__"]
COMMANDS = {
    "build_dataset": ("dataset", "build"),
    "train_all": ("train-all",),
    "generate": ("generate",),
    "screen": ("screen",),
    "sql": ("sql",),
    "export_crystals": ("export",),
}
"""Function and the command that does the same."""
OF_THE_TERMINAL = {"as_json", "as_csv", "parquet", "max_rows", "dry_run"}
"""Options that say how a result is shown, or that nothing is to be done."""
OF_PYTHON = {"progress", "fetched", "on_start", "check"}
"""Arguments that a terminal has no words for."""
OTHER_NAMES = {"param": "params", "generation": "generations"}
"""Options of `sql` that are given several times are a mapping and a list."""


def parameters_of(*names: str) -> list[Any]:
    command: Any = typer.main.get_command(app)
    for name in names:
        command = command.commands[name]
    parameters: list[Any] = command.params
    return parameters


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = ("numpy", "pandas", "pyarrow", "torch", "ray", "pymatgen", "duckdb")
    code = f"import sys, crystalforge; print([name for name in {heavy} if name in sys.modules], crystalforge.sql)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.startswith("[] <function sql")


def test_what_it_offers_is_named_for_editors_too() -> None:
    stub = Path(crystalforge.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    imported = [node for node in ast.parse(stub).body if isinstance(node, ast.ImportFrom)]
    named = {alias.asname: node.module for node in imported for alias in node.names}
    assert named == {name: getattr(crystalforge, name).__module__ for name in FUNCTIONS}
    assert set(FUNCTIONS) <= set(dir(crystalforge))


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"it offers .*generate"):
        crystalforge.genrate  # noqa: B018


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_argument_is_documented(name: str) -> None:
    function = getattr(crystalforge, name)
    text = inspect.getdoc(function) or ""
    assert "Raises:" in text
    assert "Returns:" in text
    missing = [parameter for parameter in inspect.signature(function).parameters if f"{parameter}:" not in text]
    assert not missing


@pytest.mark.parametrize(("name", "words"), COMMANDS.items(), ids=COMMANDS)
def test_a_function_has_the_arguments_of_its_command(name: str, words: tuple[str, ...]) -> None:
    options = {}
    for parameter in parameters_of(*words):
        if parameter.name and parameter.name not in OF_THE_TERMINAL | {"help"}:
            renamed = OTHER_NAMES.get(parameter.name, parameter.name) if name == "sql" else parameter.name
            options[renamed] = parameter
    arguments = inspect.signature(getattr(crystalforge, name)).parameters
    assert set(arguments) - OF_PYTHON == set(options)
    for argument, parameter in options.items():
        default = arguments[argument].default
        assert (default is inspect.Parameter.empty) == parameter.required, argument
        assert default == parameter.default or parameter.required, argument
