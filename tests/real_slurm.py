"""A Slurm of the tests' own: munge, a controller and two nodes on this machine, with ports and folders of their own.

Debian's packages are installed where they are missing and this may install them. Nothing of a Slurm that the machine
may have is read or touched.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "munged", "mungekey")
REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPT = REPOSITORY / "infra" / "slurm" / "crystalforge.sbatch"
CPUS = 2
"""Of each node: they share this machine's cores, of which there may be fewer."""
START_S = 60

CONFIGURATION = """
ClusterName=try
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
SwitchType=switch/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=bf_interval=5
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
ReturnToService=2
MinJobAge=600
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={port_one} CPUs={cpus} State=UNKNOWN
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={port_two} CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def install() -> None:
    """Install Debian's packages of Slurm where they are missing.

    Raises:
        RuntimeError: they are missing and cannot be installed here.
    """
    missing = [program for program in PROGRAMS if not shutil.which(program, path=_path())]
    if not missing:
        return
    if os.getuid() != 0 or not shutil.which("apt-get"):
        raise RuntimeError(f"No {', '.join(missing)} here; install {' '.join(PACKAGES)} as root, on Debian or Ubuntu.")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # its services stay off
    update = ["apt-get", "update", "--quiet"]
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *PACKAGES]
    subprocess.run(update, check=False, capture_output=True)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1:]}")


def _path() -> str:
    return os.environ["PATH"] + ":/usr/sbin:/sbin"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def until(ready: Callable[[], object], what: str, seconds: float = START_S) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


@dataclass(frozen=True)
class Slurm:
    """Two nodes of Slurm, ``one`` and ``two``."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """In which Slurm's commands speak to this Slurm, and its jobs find the commands that are tested."""
        path = f"{Path(sys.executable).parent}:{_path()}"
        quiet = {"PYTHONWARNINGS": "ignore", "CRYSTALFORGE_JOBS": str(self.folder / "jobs")}
        return os.environ | quiet | {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def ask(self, *words: object) -> str:
        """What one of Slurm's commands answers."""
        command = [str(word) for word in words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def submit(self, *words: object, options: tuple[str, ...] = ()) -> Job:
        """Submit the batch script of the repository with a command of ``platform``."""
        log = self.folder / "logs" / "%j.log"
        command = ["sbatch", "--parsable", f"--chdir={self.folder}", f"--output={log}", *options, str(SCRIPT)]
        command += [str(word) for word in words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return Job(self, int(done.stdout.strip()))


@dataclass(frozen=True)
class Job:
    """A job of that Slurm."""

    slurm: Slurm
    number: int

    def tell(self) -> dict[str, str]:
        """Everything that Slurm says of it."""
        text = self.slurm.ask("scontrol", "--oneliner", "show", "job", self.number)
        return dict(word.partition("=")[::2] for word in text.split() if "=" in word)

    @property
    def state(self) -> str:
        """PENDING, RUNNING, COMPLETED …"""
        return self.tell()["JobState"]

    @property
    def log(self) -> str:
        """What the job said so far."""
        path = self.slurm.folder / "logs" / f"{self.number}.log"
        return path.read_text() if path.exists() else ""

    @property
    def own_folder(self) -> Path:
        """The folder of its token and address."""
        return self.slurm.folder / "jobs" / f"crystalforge-{self.number}"

    def started(self, seconds: float = 240) -> str:
        """Wait until its Ray is there, and return the address."""
        path = self.own_folder / "address"
        until(lambda: path.exists() or self.ended(), f"job {self.number} starts: {self.log}", seconds)
        assert path.exists(), self.log
        return path.read_text().strip()

    def ended(self) -> bool:
        """Whether it ended, in whatever way."""
        return self.state in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")

    def wait(self, seconds: float = 240) -> dict[str, str]:
        """Wait until it ended, and everything that it started; return what Slurm says of it."""
        until(self.ended, f"job {self.number} ends: {self.log}", seconds)
        told = self.tell()
        until(lambda: not self.processes(), f"nothing of job {self.number} is left: {self.processes()}")
        return told

    def processes(self) -> list[str]:
        """What runs on this machine in the name of the job, Slurm's own helpers too."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("SLURM_JOB_ID") == str(self.number) or f"[{self.number}." in process.name():
                    found.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        return found

    def temporary_folders(self) -> list[Path]:
        """What Ray has on this machine's disk for the job."""
        return list(Path("/tmp").glob(f"cf-{self.number}-*"))


@contextlib.contextmanager
def running_slurm() -> Iterator[Slurm]:
    """Two nodes for the length of a ``with``; after it, nothing of them is left."""
    install()
    folder = Path(tempfile.mkdtemp(prefix="crystalforge-slurm-", dir="/tmp"))  # short: paths of sockets are
    for name in ("state", "spool-one", "spool-two", "logs", "jobs"):
        (folder / name).mkdir()
    controller_port, port_one, port_two = _free_ports(3)
    host = socket.gethostname().partition(".")[0]
    ports = {"controller_port": controller_port, "port_one": port_one, "port_two": port_two}
    text = CONFIGURATION.format(folder=folder, host=host, user=getpass.getuser(), cpus=CPUS, **ports)
    (folder / "slurm.conf").write_text(text)
    slurm = Slurm(folder)
    daemons: list[subprocess.Popen[bytes]] = []

    def start(name: str, *words: object) -> None:
        with (folder / f"{name}.log").open("wb") as log:
            command = [str(word) for word in words]
            daemons.append(subprocess.Popen(command, env=slurm.environment, stdout=log, stderr=log, cwd=folder))

    def nodes_idle() -> bool:
        gone = [daemon.args for daemon in daemons if daemon.poll() is not None]
        logs = "".join(path.read_text()[-500:] for path in folder.glob("*.log"))
        assert not gone, f"{gone} ended: {logs}"
        done = subprocess.run(["sinfo", "-h", "-o", "%T %D"], env=slurm.environment, capture_output=True, text=True)
        return done.stdout.split() == ["idle", "2"]

    try:
        slurm.ask("mungekey", "--create", f"--keyfile={folder}/munge.key")
        files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "seed", "log")]
        start("munged", "munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *files)
        until((folder / "munge.socket").exists, "munged makes its socket")
        start("slurmctld", "slurmctld", "-D", "-f", folder / "slurm.conf")
        for node in ("one", "two"):
            start(f"slurmd-{node}", "slurmd", "-D", "-N", node, "-f", folder / "slurm.conf")
        until(nodes_idle, "two nodes are idle")
        yield slurm
    finally:
        with contextlib.suppress(AssertionError, subprocess.SubprocessError):
            slurm.ask("scancel", f"--user={getpass.getuser()}")
            until(lambda: not slurm.ask("squeue", "-h"), "all jobs ended", 40)
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
        shutil.rmtree(folder, ignore_errors=True)
