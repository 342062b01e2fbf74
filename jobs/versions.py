"""Whether the nodes of a cluster have what this process has: the same crystalforge, Python, Ray and numerical packages.

The code of a worker is the package that is installed on its node. Another version there would draw other bytes, or fail
in the middle; so it is refused before any work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from crystalforge.errors import ClusterError
from crystalforge.integrity.remaking import PACKAGES

CHECKED = (*PACKAGES, "ray")
"""Packages that the bytes of a shard depend on, and Ray."""
MODULES = {"": "crystalforge", "jobs": "crystalforge.jobs", "schemas": "crystalforge.schemas"}
"""Where the code lies: in one folder when it is installed, in three in a checkout. By the folder that it has in one."""
CODE = (".py", ".toml", ".sql")
REPAIR = (
    "Install the same there, from the same checkout or image and with constraints.txt, and start that node again; or "
    "take it out of the cluster."
)
ANSWER_LIMIT_S = 180.0
"""A node that is there answers as soon as a worker process has started: seconds, on a busy machine a minute."""

Versions = Mapping[str, str]


def looker() -> Callable[[], dict[str, str]]:
    """A function that finds the versions of where it runs.

    It is made here, as such a one travels to another node by its code and not by its name: that node may have another
    crystalforge, or none.
    """
    packages, modules, code = CHECKED, dict(MODULES), CODE

    def look() -> dict[str, str]:
        import contextlib
        import hashlib
        import platform
        from importlib import metadata
        from importlib.util import find_spec
        from pathlib import Path

        found = {"Python": platform.python_version()} | dict.fromkeys(packages, "none")
        for name in packages:
            with contextlib.suppress(metadata.PackageNotFoundError):
                found[name] = metadata.version(name).partition("+")[0]  # 2.13.0+cpu beside 2.13.0+cu129 is one version
        specs = {inside: find_spec(module) for inside, module in modules.items()} if find_spec(modules[""]) else {}
        folders = {inside: Path(spec.origin).parent for inside, spec in specs.items() if spec and spec.origin}
        files = {
            (Path(inside) / path.relative_to(folder)).as_posix(): path
            for inside, folder in folders.items()
            for path in folder.rglob("*")
            if path.suffix in code
        }
        lines = [f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for name, path in sorted(files.items())]
        found["crystalforge"] += f" (code {hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:12]})"
        return found

    return look


def versions_here() -> dict[str, str]:
    """Those of this process."""
    return looker()()


def differences(found: Versions, expected: Versions) -> str:
    """What is not as expected, as ``torch 2.12.0 where 2.13.0 is expected``; empty if nothing."""
    other = [
        f"{name} {found.get(name, 'none')} where {version} is expected"
        for name, version in expected.items()
        if found.get(name, "none") != version
    ]
    return "; ".join(other)


def refuse_here(expected: Versions) -> None:
    """Refuse to work in a process whose versions are not those of the command, such as on a node that joined late.

    Raises:
        ClusterError: names the node and what differs.
    """
    if expected and (other := differences(versions_here(), expected)):
        import socket

        raise ClusterError(f"Node {socket.gethostname()} has other versions than this command: {other}. {REPAIR}")


def refuse_other_nodes(nodes: Sequence[Mapping[str, Any]], expected: Versions) -> None:
    """Ask every node for its versions, by a task that takes no CPU.

    Args:
        nodes: as ``ray.nodes()`` has them, those that are alive.
        expected: versions of this process.

    Raises:
        ClusterError: names each node that has others, or that does not answer.
    """
    task = ray.remote(num_cpus=0, max_retries=1)(looker())
    asked = {
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(): node
        for node in nodes
    }
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_LIMIT_S)
    lines = []
    for reference in answered:
        try:
            other = differences(ray.get(reference), expected)
        except ray.exceptions.RayError as error:
            if not _is_alive(asked[reference]):
                continue  # it left meanwhile, and will get no work
            other = f"it cannot be asked: {str(error).strip().splitlines()[-1]}"
        if other:
            lines.append(f"node {name_of(asked[reference])}: {other}")
    lines += [f"node {name_of(asked[each])}: no answer within {ANSWER_LIMIT_S:.0f} s" for each in silent]
    if lines:
        raise ClusterError(_text(sorted(lines)))


def name_of(node: Mapping[str, Any]) -> str:
    """A node as a person knows it: its name or address, its host, and the beginning of Ray's id."""
    host = node.get("NodeManagerHostname") or node.get("NodeManagerAddress")
    return f"{node.get('NodeName') or host} (host {host}, id {node['NodeID'][:8]})"


def _is_alive(node: Mapping[str, Any]) -> bool:
    return any(each["NodeID"] == node["NodeID"] and each["Alive"] for each in ray.nodes())


def _text(lines: Sequence[str]) -> str:
    listed = "\n".join(f"  {line}" for line in lines)
    return (
        "Every node must have the versions of this command, as its results depend on them; nothing was begun:\n"
        f"{listed}\n{REPAIR}"
    )
