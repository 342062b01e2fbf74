"""Secrets stay in the environment: they are taken out of whatever is shown, logged or recorded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote

SECRET_VARIABLES = (
    "MP_API_KEY",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "RAY_AUTH_TOKEN",
    "PGPASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
"""Variables that hold a secret and nothing else."""
ADDRESS_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "RAY_ADDRESS", "CRYSTALFORGE_HOME")
"""Variables whose address may hold a password."""
HIDDEN = "…"
LEAST_LETTERS = 4
"""A shorter value would take its letters out of every text."""

PORT = r"\d{1,5}(?:[/?#\s'\"]|$)"
PASSWORD = re.compile(rf"(?P<before>://[^/@:\s'\"]*:)(?!{PORT})(?P<secret>[^\s'\"]*)(?P<after>@)")
"""Within an address, up to its last @: a password may hold one, or a slash."""
TOKEN = re.compile(r"(?P<before>https?://)(?P<secret>[^/@:\s'\"]+)(?P<after>@)")
"""In place of a user. That of a database is a name only."""
PARAMETER = re.compile(
    r"(?P<before>[?&;][^=&;\s]*(?:password|passwd|token|secret|api_?key|access_?key)[^=&;\s]*=)(?P<secret>[^&;\s'\"]+)"
    r"(?P<after>)",
    re.IGNORECASE,
)
"""Of an address, as ``?password=…``."""
PATTERNS = (PASSWORD, TOKEN, PARAMETER)


def hide_secrets(text: str) -> str:
    """The text with ``…`` for passwords within addresses and for every secret of the environment.

    Args:
        text: a message, an address, an error's text.
    """
    for value in sorted(_values(), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for pattern in PATTERNS:
        text = pattern.sub(rf"\g<before>{HIDDEN}\g<after>", text)
    return text


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for a program that needs no secret of ours."""
    return {name: value for name, value in environment.items() if name not in (*SECRET_VARIABLES, *ADDRESS_VARIABLES)}


def _values() -> set[str]:
    """The secrets, each as it may be written: plain, within an address, within quotes."""
    return {
        written
        for value in _secrets()
        for written in (value, quote(value, safe=""), quote_plus(value), repr(value)[1:-1])
        if len(value) >= LEAST_LETTERS
    }


def _secrets() -> Iterator[str]:
    for name in SECRET_VARIABLES:
        if value := os.environ.get(name):
            yield value
    for name in ADDRESS_VARIABLES:
        for pattern in PATTERNS:
            for found in pattern.finditer(os.environ.get(name, "")):
                yield unquote(found["secret"])
