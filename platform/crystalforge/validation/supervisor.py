"""The program that runs one calculation, and sees to it that nothing of it is left. Standard library only.

It is started by ``START`` in a Python without packages (``-I -S``), so that nothing of the environment leads it astray.
On its standard input comes the order; then the pipe stays open as long as the worker lives: its end is the worker's
end, and the calculation ends with it. On its standard output it says, last, how it ended. Both are written by marshal,
as the two are of one Python.

The calculation is started in a session and process group of its own. The supervisor is the reaper of all its
descendants (Linux), those that left the group too, so ``wait`` tells when none is left, without a look at any name.

Each calculation starts one, and most of a start are imports. So it imports what is written in C and as little else as
it can (no contextlib, json, pathlib or subprocess, and signal without its names), which halves the processor time, and
is itself imported, as a script is compiled anew at each start.
"""
# ruff: noqa: PTH123, PTH208, SIM105

import _signal as signal  # type: ignore[import-not-found]
import ctypes
import marshal
import os
import resource
import select
import sys
import time

START = "import sys; sys.path.append(sys.argv[1]); import supervisor; supervisor.main()"
"""The program; its argument is the folder of this file."""
LENGTH_BYTES = 4
HEARTBEAT_FILE = "heartbeat"
HEARTBEAT_S = 5.0
LOOK_AGAIN_S = 0.05
MEMORY_LOOK_S = 0.25
COMMAND_NOT_FOUND = 127
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
ON_LINUX = sys.platform.startswith("linux")
MB = 1e6


def main() -> None:
    """Run the order that stands on the standard input; say how it ended."""
    order = marshal.loads(_read_order())  # noqa: S302 (of the worker, which is ours)
    os.write(1, marshal.dumps(_supervise(order)))


def written(order: dict) -> bytes:
    """An order as the supervisor reads it: its length, then itself."""
    content = marshal.dumps(order)
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def _read_order() -> bytes:
    return _read_bytes(int.from_bytes(_read_bytes(LENGTH_BYTES), "big"))


def _read_bytes(count: int) -> bytes:
    content = b""
    while len(content) < count:
        part = os.read(0, count - len(content))
        if not part:
            sys.exit(1)
        content += part
    return content


def _supervise(order: dict) -> dict:
    started = time.monotonic()
    libc = ctypes.CDLL(None, use_errno=True) if ON_LINUX else None
    if libc:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken = _wake_on_signals()
    family = Family(_start(order["arguments"], order["environment"], libc))
    reason = _wait(family, order, woken, started)
    forced = family.end(order["grace_s"])
    return _ending(reason, family.exit_code, started, forced)


def _start(arguments: list, environment: dict, libc: "ctypes.CDLL | None") -> int:
    """Start the program in a session of its own, with its outputs in files; its process id."""
    streams = [os.open(os.devnull, os.O_RDONLY)]
    streams += [os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666) for name in ("stdout.txt", "stderr.txt")]
    pid = os.fork()
    if pid:
        for stream in streams:
            os.close(stream)
        return pid
    try:
        os.setsid()
        if libc:  # should the supervisor itself be killed, the kernel ends the calculation
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores, and a program would inherit that
            signal.signal(number, signal.SIG_DFL)
        for descriptor, stream in enumerate(streams):
            os.dup2(stream, descriptor)
        os.execvpe(arguments[0], arguments, environment)  # noqa: S606 (no shell is wanted)
    except OSError as error:
        os.write(2, f"{arguments[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(COMMAND_NOT_FOUND)


def _ending(reason: str, exit_code: int, started: float, forced: int) -> dict:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "reason": reason,
        "exit_code": exit_code,
        "wall_s": time.monotonic() - started,
        "cpu_s": used.ru_utime + used.ru_stime,
        "max_memory_mb": used.ru_maxrss * 1024 / MB,
        "ended_by_force": forced,
    }


def _wake_on_signals() -> int:
    """A descriptor that becomes readable when a child ends or somebody wants us to end."""
    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if ON_LINUX else os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return read


def _wait(family: "Family", order: dict, woken: int, started: float) -> str:
    """Wait for the program's end or a reason to end it."""
    deadline = started + order["walltime_s"]
    beat = look = started
    while True:
        now = time.monotonic()
        if now >= beat:
            _touch_heartbeat()
            beat = now + HEARTBEAT_S
        if now >= look:
            look = now + MEMORY_LOOK_S
            if family.memory_mb() > order["memory_mb"]:
                return "memory"
        if now >= deadline:
            return "walltime"
        readable, _, _ = select.select([0, woken], [], [], max(0.0, min(deadline, beat, look) - now))
        numbers = os.read(woken, 4096) if woken in readable else b""
        family.reap()
        if family.leader_ended:
            return "exited"
        if 0 in readable or any(number != signal.SIGCHLD for number in numbers):
            return "stopped"


def _touch_heartbeat() -> None:
    try:
        with open(HEARTBEAT_FILE, "ab"):
            os.utime(HEARTBEAT_FILE)
    except OSError:  # on a full disk the lease ends early, which does no harm
        pass


class Family:
    """A program and all its descendants."""

    def __init__(self, leader: int) -> None:
        self.leader = leader
        self.exit_code = 0
        self.leader_ended = False
        self.none_left = False

    def reap(self) -> None:
        """Take note of those that ended; as their reaper we hear of the orphans too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.none_left = True
                return
            if pid == 0:
                return
            if pid == self.leader:
                self.leader_ended = True
                self.exit_code = os.waitstatus_to_exitcode(status)

    def end(self, grace_s: float) -> int:
        """End all that are left: ask, wait, then force. Returns how many had to be forced."""
        self.reap()
        if self.none_left:
            return 0
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while not self.none_left and time.monotonic() < deadline:
            time.sleep(LOOK_AGAIN_S)
            self.reap()
        forced: set[int] = set()
        while not self.none_left:
            forced |= self._signal(signal.SIGKILL)
            time.sleep(LOOK_AGAIN_S / 5)
            self.reap()
        return len(forced)

    def _signal(self, number: int) -> set[int]:
        alive = set(self.descendants())  # before the first signal: who it ends at once counts too
        if not self.leader_ended:  # its process id, which is the group's, cannot be another's yet
            try:
                os.killpg(self.leader, number)
            except (ProcessLookupError, PermissionError):
                pass
        for pid in alive | set(self.descendants()):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        return alive

    def memory_mb(self) -> float:
        """Resident memory of all (MB); 0 where it cannot be seen."""
        pages = 0
        for pid in self.descendants():
            try:
                pages += int(_read(f"/proc/{pid}/statm").split()[1])
            except (OSError, ValueError, IndexError):
                pass
        return pages * os.sysconf("SC_PAGE_SIZE") / MB

    def descendants(self) -> list[int]:
        """Process ids of all descendants of the supervisor that still run."""
        found: list[int] = []
        waiting = [os.getpid()]
        while waiting:
            children = _children(waiting.pop())
            found += children
            waiting += children
        return [pid for pid in found if not _is_zombie(pid)]


def _children(pid: int) -> list[int]:
    """Children of all threads of a process; none where the kernel does not tell."""
    children: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    for thread in threads:
        try:
            children += [int(child) for child in _read(f"/proc/{pid}/task/{thread}/children").split()]
        except OSError:  # it ended while we looked
            pass
    return children


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def _is_zombie(pid: int) -> bool:
    try:
        return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[0] == b"Z"
    except (OSError, IndexError):
        return True
