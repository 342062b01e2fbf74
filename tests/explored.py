"""``platform explore`` as a real process over a real home, and requests to it."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import real_commands
from small_screening import add_screening

from crystalforge.catalog.query import open_catalog
from crystalforge.home import Home

N_SCREENED = 30
MARKUP = "<img src=x onerror=alert(1)>"
"""A text of a home that a page must show as a text."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def value(self) -> Any:
        """The JSON that it is."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Explored:
    """A running page."""

    url: str
    process: subprocess.Popen[bytes]

    def get(self, path: str, *, method: str = "GET", headers: dict[str, str] | None = None, **query: Any) -> Answer:
        """Send one request; ``query`` is encoded, ``path`` is sent as it stands."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            target = f"{path}?{urlencode(query, doseq=True)}" if query else path
            connection.request(method, target, headers=headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def ask(self, path: str, **query: Any) -> Any:
        """The JSON of an answer that must be right."""
        answer = self.get(path, **query)
        assert answer.status == 200, answer.content
        return answer.value


@contextmanager
def explored(home: Home, *options: str) -> Iterator[Explored]:
    """Start the command on a free port; stop it at the end as Ctrl-C does."""
    process = real_commands.start("explore", "--home", home.path, "--port", 0, "--no-open", *options)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        assert url.startswith("http"), process.communicate()
        yield Explored(url, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def all_crystals(home: Home, source: str = "candidates") -> list[dict[str, Any]]:
    """Every row of ``crystals``, as SQL gives it."""
    with open_catalog(home) as catalog:
        rows: list[dict[str, Any]] = catalog.query(
            "SELECT * FROM crystals WHERE source = $source ORDER BY source_id", {"source": source}
        ).to_pylist()
    return rows


def screen_some(home: Home) -> None:
    """Judge some candidates, from -0.05 eV/atom up in steps of 0.01; the hull of every third lacks a system."""
    crystals = [
        {
            "source_id": row["source_id"],
            "crystal_id": row["crystal_id"],
            "formula": row["formula"],
            "space_group_number": row["space_group_number"],
            "energy_above_hull": round(-0.05 + 0.01 * place, 2),
            "formation_energy_per_atom": -1.0,
            "systems_without_reference": "Cu-Au" if place % 3 == 0 else None,
            "decomposition": MARKUP,
            "rmsd": 0.01,
            "volume_change": 0.02,
        }
        for place, row in enumerate(all_crystals(home)[:N_SCREENED])
    ]
    add_screening(home, "screened", crystals)
