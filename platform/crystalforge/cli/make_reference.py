"""Writes ``docs/commands.md``: every command with its options, examples and exit codes, from the code.

    python -m crystalforge.cli.make_reference docs/commands.md

A test compares the page with what this makes, so that neither can change alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import typer.main

from crystalforge.cli.app import EXIT_CODES, app
from crystalforge.cli.command_tree import Words, commands, settable, variable_of
from crystalforge.cli.options import MAX_SEED

HEAD = """# Commands

Made by `make docs` from the code; do not edit it. [README.md](README.md) names the pages that explain them.

Results go to standard output, progress and messages to standard error. `crystalforge` is `platform` under another name.
"""
MARKUP = re.compile(r"\[/?(?:dim|bold|italic|green|red|yellow|cyan)\]")
VALUES = {int: "N", float: "NUMBER", str: "TEXT", Path: "FILE"}
EXAMPLES = re.compile(r"^Examples?:\s*", re.MULTILINE)


def reference() -> str:
    """The page as text."""
    group: Any = typer.main.get_command(app)
    found = list(commands(group))
    index = [f"| [`{_name(words)}`](#{_anchor(words)}) | {_paragraphs(command)[0]} |" for words, command in found]
    parts = [HEAD, "\n".join(["| command | |", "|---|---|", *index, ""]), _codes()]
    parts += [_section(words, command) for words, command in found]
    return "\n".join(parts)


def _codes() -> str:
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(["## Exit codes", "", "| code | meaning |", "|---|---|", *rows, ""])


def _section(words: Words, command: Any) -> str:
    lines = [f"## `{_name(words)}`", ""]
    for paragraph in _paragraphs(command):
        lines += [paragraph, ""]
    if examples := _examples(command):
        lines += ["```", *examples, "```", ""]
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    if arguments:
        lines += ["| argument | default | meaning |", "|---|---|---|", *map(_argument_row, arguments), ""]
    if options:
        set_by = settable(command)
        lines += ["| option | value | default | meaning | variable |", "|---|---|---|---|---|"]
        lines += [_option_row(words, each, each in set_by.values()) for each in options]
        lines += [""]
    return "\n".join(lines)


def _argument_row(argument: Any) -> str:
    default = "required" if argument.required else _default(argument)
    return _row(f"`{argument.metavar or argument.name.upper()}`", default, argument.help or "")


def _option_row(words: Words, option: Any, has_variable: bool) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f"`{_metavar(option)}`"
    variable = f"`{variable_of(words, option)}`" if has_variable else ""
    return _row(names, value, "required" if option.required else _default(option), option.help or "", variable)


def _row(*cells: str) -> str:
    plain = (MARKUP.sub("", cell).replace("|", "\\|").replace("\n", " ") for cell in cells)
    return "| " + " | ".join(cell if cell.startswith("`") else cell.replace("*", "\\*") for cell in plain) + " |"


def _metavar(parameter: Any) -> str:
    """What stands for the value: its own word, or its kind with its least and greatest value."""
    if parameter.metavar:
        return str(parameter.metavar)
    kind = VALUES.get(parameter.type_descriptor.annotation, "VALUE")
    least, most = parameter.min, parameter.max if parameter.max != MAX_SEED else None
    if least is None or most is None:
        return kind + (f" ≥ {least}" if least is not None else "") + (f" ≤ {most}" if most is not None else "")
    return f"{kind}, {least} to {most}"


def _default(parameter: Any) -> str:
    """What holds when nothing is given, in the words of the help."""
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    value = parameter.default
    if value is None or value is False or callable(value) or not parameter.show_default:
        return ""
    return f"`{value}`"


def _texts(command: Any) -> tuple[str, str]:
    """The help before its examples, and the examples."""
    text = MARKUP.sub("", f"{command.help or ''}\n\n{command.epilog or ''}")
    before, *after = EXAMPLES.split(text, maxsplit=1)
    return before, after[0] if after else ""


def _paragraphs(command: Any) -> list[str]:
    before, after = _texts(command)
    rest = [text for text in _blocks(after) if not text.startswith("platform ")]
    return [*_blocks(before), *rest]


def _examples(command: Any) -> list[str]:
    return [text for text in _blocks(_texts(command)[1]) if text.startswith("platform ")]


def _blocks(text: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", text.replace("\b", "")):
        if words := " ".join(line.strip() for line in block.strip().splitlines()):
            yield words


def _name(words: Words) -> str:
    return " ".join(("platform", *words))


def _anchor(words: Words) -> str:
    return "-".join(("platform", *words))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
