"""The program that the stand-in engine runs: it really hangs, crashes, fills memory. Standard library only."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

OUTPUT = Path("stand_in_output.json")
IGNORES_SIGTERM = (
    "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "os.setsid() if sys.argv[1] == 'away' else None; time.sleep(3600)"
)


def _replay(order: dict) -> None:
    OUTPUT.write_text(json.dumps({"crystal_id": order["crystal_id"], "energy_ev": order["energy_ev"]}))


def _fail(order: dict) -> None:
    sys.exit(f"stand-in: asked to fail on {order['crystal_id']}")


def _crash(_: dict) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _hang(_: dict) -> None:
    """Ignore SIGTERM, with a child and a grandchild that ignore it too; one of them leaves the process group."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for where in ("here", "away"):
        subprocess.Popen([sys.executable, "-I", "-S", "-c", IGNORES_SIGTERM, where])
    time.sleep(3600)


def _empty(_: dict) -> None:
    OUTPUT.write_bytes(b"")


def _early_end(order: dict) -> None:
    OUTPUT.write_text(json.dumps({"crystal_id": order["crystal_id"]})[:-3])


def _nan(order: dict) -> None:
    OUTPUT.write_text(json.dumps({"crystal_id": order["crystal_id"], "energy_ev": float("nan")}))


def _memory(_: dict) -> None:
    """Take memory until ended, 20 MB at a time, at most 4 GB."""
    taken = []
    for _turn in range(200):
        taken.append(bytearray(os.urandom(1)) * 20_000_000)
        time.sleep(0.02)


def _full_disk(order: dict) -> None:
    """Write until no space is left, at most 1 GB."""
    with Path("scratch.bin").open("wb") as stream:
        for _turn in range(1000):
            stream.write(bytes(1_000_000))
            stream.flush()
    _replay(order)


def _wrong_crystal(order: dict) -> None:
    OUTPUT.write_text(json.dumps({"crystal_id": "another", "energy_ev": order["energy_ev"]}))


ACTIONS = {
    "replay": _replay,
    "fail": _fail,
    "crash": _crash,
    "hang": _hang,
    "empty": _empty,
    "early_end": _early_end,
    "nan": _nan,
    "memory": _memory,
    "full_disk": _full_disk,
    "wrong_crystal": _wrong_crystal,
}

if __name__ == "__main__":
    asked = json.loads(Path("stand_in.json").read_text())
    time.sleep(asked["seconds"])
    ACTIONS[asked["behaviour"]](asked)
