"""The home that a step works in, however it was named."""

from __future__ import annotations

from pathlib import Path

from crystalforge.home import Home


def as_home(home: str | Path | Home | None) -> Home:
    """A home as it is; a path or a URL as a home; None as the commands find it.

    Raises:
        StorageError: the path exists and is not a folder, or the store of the URL does not answer.
    """
    return home if isinstance(home, Home) else Home.locate(home, store=True)
