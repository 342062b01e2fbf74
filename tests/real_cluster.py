"""A cluster on this machine: a head without CPUs and worker nodes, each Ray processes of their own.

Where this user may make namespaces, each node looks to Ray like a machine of its own: with an address of its own, so
that it can be cut off as by a pulled cable; with its processes alone, among which Ray looks for the node to join; and
with a temporary folder of its own under one path, as Ray takes the path of the head's. Elsewhere the nodes share all
that but the folder, and the processes of one are stopped (SIGSTOP), which looks to the others as if it was cut off.
Ray's token authentication is on.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

START_S = 150
"""A node starts within seconds; on a machine that others use, within minutes."""
TOO_SLOW = b"timed out during startup"
"""What a node says that Ray itself gave up after 30 s, which cannot be changed."""
TRIES = 4
QUICK_TO_MISS = {
    "RAY_health_check_initial_delay_ms": "3000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "4",
}
"""The head gives up a silent node after some 16 s, not after a minute as by default."""


OWN_PROCESSES = ["unshare", "--pid", "--fork", "--mount-proc"]
AT_SAME_PATH = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


@dataclass
class Node:
    """The processes of one node."""

    name: str
    process: subprocess.Popen[bytes]
    link: str | None
    """The host's end of its cable, with a namespace."""
    log: Path

    def family(self) -> list[psutil.Process]:
        """All of its processes."""
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """As if its machine had lost its power: every process at once."""
        family = self.family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=10)
        self.process.wait()

    def cut_off(self) -> None:
        """Nothing of it reaches the others from now on."""
        if self.link:
            _ip("link", "set", self.link, "down")
        else:
            self._signal(signal.SIGSTOP)

    def mend(self) -> None:
        """As before; its processes know nothing of it."""
        if self.link:
            _ip("link", "set", self.link, "up")
        else:
            self._signal(signal.SIGCONT)

    def _signal(self, sent: signal.Signals) -> None:
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(sent)


@dataclass
class RealCluster:
    """The head and its nodes; to be used by ``real_cluster``."""

    folder: Path
    namespaces: bool
    nodes: list[Node] = field(default_factory=list)
    port: int = 0
    dashboard_port: int = 0
    tag: str = field(default_factory=lambda: secrets.token_hex(2))

    def __post_init__(self) -> None:
        self.port, self.dashboard_port = _free_ports(2)
        (self.folder / "token").write_text(secrets.token_hex(32))
        (self.folder / "token").chmod(0o600)

    @property
    def token_file(self) -> Path:
        """Its token."""
        return self.folder / "token"

    @property
    def head_ip(self) -> str:
        """Address of the head."""
        return self._ip_of(0) if self.namespaces else "127.0.0.1"

    @property
    def environment(self) -> dict[str, str]:
        """Of a command that connects to it from the head."""
        return {
            "RAY_ADDRESS": f"{self.head_ip}:{self.port}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token_file),
            "OMP_NUM_THREADS": "1",
        }

    @property
    def dashboard(self) -> str:
        """Address of the Jobs API."""
        return f"http://{self.head_ip}:{self.dashboard_port}"

    @property
    def prefix(self) -> list[str]:
        """Before a command that is to run on the head's machine."""
        if not self.namespaces:
            return []
        (first,) = psutil.Process(self.nodes[0].process.pid).children()
        return ["nsenter", f"--target={first.pid}", "--net", "--mount", "--pid"]

    def _machine(self, number: int, name: str) -> list[str]:
        """Before the first command of a node."""
        bind = ["sh", "-c", AT_SAME_PATH, "sh", str(self.folder / name), str(self._temp_folder(name))]
        return ["ip", "netns", "exec", self._namespace(number), *OWN_PROCESSES, *bind]

    def _temp_folder(self, name: str) -> Path:
        """As the node sees it."""
        return self.folder / ("ray" if self.namespaces else name)

    def start_head(self) -> None:
        """A head that has no CPUs, so that it does no work."""
        dashboard = [f"--dashboard-host={self.head_ip}", f"--dashboard-port={self.dashboard_port}"]
        self._start("head", ["--head", f"--port={self.port}", "--num-cpus=0", *dashboard], QUICK_TO_MISS)

    def add(self, name: str, *, num_cpus: int = 1, environment: Mapping[str, str] | None = None) -> Node:
        """A worker node."""
        address = f"--address={self.head_ip}:{self.port}"
        return self._start(name, [address, f"--num-cpus={num_cpus}", f"--node-name={name}"], environment or {})

    def _start(self, name: str, words: list[str], environment: Mapping[str, str]) -> Node:
        number = len(self.nodes)
        ray = [sys.executable, "-W", "ignore", "-m", "ray.scripts.scripts", "start", "--block"]
        command = [*ray, *words, f"--temp-dir={self._temp_folder(name)}", "--object-store-memory=150000000"]
        for folder in (self.folder / name, self._temp_folder(name)):
            folder.mkdir(exist_ok=True)
        # By default all agents of a machine want one port, and a head whose agent has none takes no jobs.
        command.append(f"--dashboard-agent-listen-port={_free_ports(1)[0]}")
        prefix: list[str] = []
        link = None
        if self.namespaces:
            link = self._plug_in(number)
            prefix = self._machine(number, name)
            command.append(f"--node-ip-address={self._ip_of(number)}")
        log = self.folder / f"{name}.log"
        variables = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", **self.environment, **environment}
        for last in [False] * (TRIES - 1) + [True]:
            with log.open("wb") as stream:
                process = subprocess.Popen(
                    [*prefix, *command], start_new_session=True, stdout=stream, stderr=stream, env=variables
                )
            node = Node(name, process, link, log)
            if _came_up(node):
                break
            said = log.read_bytes()
            node.kill()
            assert TOO_SLOW in said and not last, said.decode()
        self.nodes.append(node)
        return node

    def _namespace(self, number: int) -> str:
        return f"cf{self.tag}-{number}"

    def _ip_of(self, number: int) -> str:
        return f"10.213.7.{number + 2}"

    def _plug_in(self, number: int) -> str:
        """A namespace with a cable to the bridge that all share."""
        name, bridge, outside, inside = self._namespace(number), f"cf{self.tag}", f"cf{self.tag}o{number}", "eth0"
        if number == 0:
            _ip("link", "add", bridge, "type", "bridge")
            _ip("addr", "add", "10.213.7.1/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
        _ip("netns", "add", name)
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
        _ip("link", "set", outside, "master", bridge)
        _ip("link", "set", outside, "up")
        _ip("-n", name, "addr", "add", f"{self._ip_of(number)}/24", "dev", inside)
        for device in ("lo", inside):
            _ip("-n", name, "link", "set", device, "up")
        _ip("-n", name, "route", "add", "default", "via", "10.213.7.1")
        return outside

    def alive(self) -> list[Node]:
        """The nodes whose Ray has not ended, the head first."""
        return [node for node in self.nodes if any(process.name() == "raylet" for process in node.family())]

    def stop(self) -> None:
        """End every node and take the network down."""
        for node in reversed(self.nodes):
            with contextlib.suppress(subprocess.CalledProcessError):
                node.mend()
            node.kill()
        if self.namespaces:
            for number in range(len(self.nodes)):
                subprocess.run(["ip", "netns", "del", self._namespace(number)], check=False, capture_output=True)
            subprocess.run(["ip", "link", "del", f"cf{self.tag}"], check=False, capture_output=True)


@contextlib.contextmanager
def real_cluster(*, namespaces: bool = False) -> Iterator[RealCluster]:
    """A cluster of a head alone, for the length of a ``with``.

    Args:
        namespaces: whether each node has a network of its own, where this user may make one.
    """
    folder = Path(tempfile.mkdtemp(prefix="cf"))  # a short path: Ray puts sockets below it
    cluster = RealCluster(folder, namespaces and may_make_namespaces())
    try:
        cluster.start_head()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _came_up(node: Node) -> bool:
    """Wait until a node has joined; False if it ended or takes too long."""
    deadline = time.monotonic() + START_S
    while b"Ray runtime started" not in node.log.read_bytes():
        if node.process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def may_make_namespaces() -> bool:
    """Whether this user may make networks and tables of processes."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare", "nsenter"))):
        return False
    name = f"cf{secrets.token_hex(3)}"
    tried = [["ip", "netns", "add", name], ["ip", "link", "add", name, "type", "bridge"], [*OWN_PROCESSES, "true"]]
    worked = all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in tried)
    for command in (["ip", "netns", "del", name], ["ip", "link", "del", name]):
        subprocess.run(command, capture_output=True, check=False)
    return worked


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
