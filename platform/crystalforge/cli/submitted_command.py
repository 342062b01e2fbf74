"""The command within `platform submit`: checked here, by the same options, before it is sent; complete on its way.

A job runs where the settings of this machine are not. So what files and variables of this machine say of the command
is written out, and the home by its whole path.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from crystalforge.errors import UsageError
from crystalforge.home import Home
from crystalforge.jobs.submission import Request
from crystalforge.secrecy import hide_secrets
from crystalforge.settings import SHARED, shared_setting
from crystalforge.suggestions import did_you_mean

NOT_SUBMITTED = ("submit", "ui", "explore", "config", "doctor", "metrics")
"""Commands about this machine, or that serve until Ctrl-C."""
SENT = ("mlflow_tracking_uri",)
"""Shared settings that a job needs and that Ray does not tell it."""
OF_THE_OUTPUT = frozenset({"as_json"})
"""Options that change nothing of the work, so that they are no part of the id."""
GIVEN = frozenset({"ENVIRONMENT", "DEFAULT_MAP"})


def request_of(context: typer.Context, written: list[str], *, python: str, resources: dict[str, float]) -> Request:
    """What is asked of the cluster.

    Args:
        context: of `platform submit`.
        written: the command with its options, as on the command line.
        python: of the cluster's machines.
        resources: of the driver.

    Raises:
        UsageError: no such command, or one that no cluster can run.
    """
    words, rest, inner = _parse(context, written)
    values = {name: _plain(value) for name, value in inner.params.items() if name not in OF_THE_OUTPUT}
    added: list[str] = []
    for option in inner.command.params:
        source = inner.get_parameter_source(option.name)
        if option.name == "home" or option.param_type_name != "option" or source is None or source.name not in GIVEN:
            continue
        added += _flag(option, inner.params[option.name])
    if "home" in inner.params:
        values["home"] = str(Home.locate(inner.params["home"]).path)
        rest = _without_home(inner, rest)
        added += ["--home", values["home"]]
    return Request(
        words=words,
        arguments=(*added, *rest),
        values=values,
        python=python,
        resources=resources,
        variables=_variables(),
    )


def _parse(context: typer.Context, written: list[str]) -> tuple[tuple[str, ...], list[str], Any]:
    """Words of the command, what follows them, and its context; a wrong option is an error of `platform submit`."""
    above: Any = context.find_root()
    group: Any = above.command
    words: list[str] = []
    while isinstance(group, TyperGroup):
        name = written[len(words)] if len(words) < len(written) else ""
        known = [each for each in group.commands if words or each not in NOT_SUBMITTED]
        if name not in known:
            asked = " ".join([*words, name])
            raise UsageError(
                f"`platform submit` expects a command that a cluster can run, got '{asked}': it knows "
                f"{', '.join(' '.join([*words, each]) for each in known)}.{did_you_mean(name, known)}"
            )
        words.append(name)
        group = group.commands[name]
        if isinstance(group, TyperGroup):
            above = type(above)(group, info_name=name, parent=above)  # it hands the settings down
    rest = written[len(words) :]
    return tuple(words), rest, group.make_context(words[-1], list(rest), parent=above)


def _flag(option: Any, value: Any) -> list[str]:
    """An option as it is written."""
    name = max(option.opts, key=len)
    if option.is_flag:
        if value:
            return [name]
        return [max(option.secondary_opts, key=len)] if option.secondary_opts else []
    values = value if isinstance(value, (list, tuple)) else [value]
    return [word for each in values for word in (name, str(_plain(each)))]


def _without_home(inner: Any, rest: list[str]) -> list[str]:
    """The words without ``--home FOLDER``, which is written out as its whole path."""
    option = next(each for each in inner.command.params if each.name == "home")
    kept: list[str] = []
    skip = False
    for word in rest:
        if skip:
            skip = False
        elif word in option.opts:
            skip = True
        elif not any(word.startswith(f"{name}=") for name in option.opts):
            kept.append(word)
    return kept


def _plain(value: Any) -> Any:
    """As JSON has it; a path as a whole one."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value.expanduser().absolute())
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def _variables() -> dict[str, str]:
    """Shared settings that go along as variables.

    Raises:
        UsageError: one holds a password, which Ray's dashboard would show.
    """
    found = {}
    for name in SENT:
        setting = shared_setting(name)
        if setting is None:
            continue
        value = str(setting.value)
        if hide_secrets(value) != value:
            raise UsageError(
                f"{SHARED[name]} ({setting.origin}) holds a password: a job's variables stand in Ray's dashboard for "
                "all to read. Set it on the cluster's machines, and leave it out here."
            )
        found[SHARED[name]] = value
    return found
