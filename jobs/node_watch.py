"""Which nodes joined and were lost while a command worked: said at once, and noted beside what was made."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray

from crystalforge.errors import CrystalforgeError
from crystalforge.files import append_line, read_lines, utc_now
from crystalforge.home import NODES_RECORD
from crystalforge.jobs.versions import name_of

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""Between two looks at the list of nodes, which costs a millisecond."""
LOST, JOINED = "lost", "joined"


@dataclass(frozen=True)
class NodeEvent:
    """A node that joined or was lost."""

    time: str
    """When it was seen, UTC: Ray itself takes seconds to a minute to give up a node that is silent."""
    event: str
    """``lost`` or ``joined``."""
    node: str
    resources: dict[str, float]
    """CPUs, GPUs and the custom resources that it had."""
    reason: str
    """What Ray says of a loss; empty for a node that joined."""

    def describe(self) -> str:
        """One line for a person."""
        have = ", ".join(f"{amount:g} {kind}" for kind, amount in self.resources.items()) or "no CPU"
        if self.event == JOINED:
            return f"Node {self.node} joined at {self.time} with {have}."
        return f"Node {self.node} with {have} was lost at {self.time}: {self.reason} Its work went to the others."


class NodeWatch:
    """Looks at the nodes as long as a ``with`` lasts; what it sees is logged and, in a folder, noted."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.known: dict[str, Mapping[str, Any]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="node-watch", daemon=True)

    def __enter__(self) -> Self:
        """Know who is there now, and begin to look."""
        self.known = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """A last look, as a node may be lost with the last of the work."""
        self._ended.set()
        self._thread.join()
        self.look()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        """Compare the nodes with those that were there."""
        try:
            nodes = {node["NodeID"]: node for node in ray.nodes()}
        except Exception as error:  # noqa: BLE001 - the named boundary: the head itself is gone, which the work will say
            logger.debug("event=nodes_unknown error=%r", error)
            return
        alive = {name: node for name, node in nodes.items() if node["Alive"]}
        for name, node in alive.items():
            if name not in self.known:
                self._note(JOINED, node, "")
        for name, node in self.known.items():
            if name not in alive:
                said = str(nodes.get(name, {}).get("DeathReasonMessage") or "it is gone").strip()
                self._note(LOST, node, said.splitlines()[0].rstrip(".") + ".")
        self.known = alive

    def _note(self, event: str, node: Mapping[str, Any], reason: str) -> None:
        seen = NodeEvent(utc_now(), event, name_of(node), _resources(node), reason)
        logger.warning("event=node_%s node=%r reason=%r", event, seen.node, seen.reason)
        if self.folder:
            try:
                append_line(self.folder / NODES_RECORD, asdict(seen))
            except CrystalforgeError as error:  # the note must not end the work
                logger.warning("event=node_not_noted error=%r", str(error))


def node_events(folder: Path, since: str = "") -> list[NodeEvent]:
    """What was noted in a folder, from a time on (UTC, as ``utc_now`` gives it)."""
    return [NodeEvent(**line) for line in read_lines(folder / NODES_RECORD) if line["time"] >= since]


def _resources(node: Mapping[str, Any]) -> dict[str, float]:
    """Without memory and the names that Ray gives each node."""
    plain = ("memory", "object_store_memory")
    return {kind: n for kind, n in node["Resources"].items() if kind not in plain and not kind.startswith("node:")}
