"""A folder that one process holds: others learn who, and a killed holder lets go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crystalforge.errors import BusyError
from crystalforge.locks import exclusive

HOLD = """
import sys, time
from pathlib import Path
from crystalforge.locks import exclusive
with exclusive(Path(sys.argv[1]), "The run"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_command_learns_who_holds_the_run_and_a_killed_holder_lets_go(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(BusyError, match=rf"The run is in use by process {holder.pid} "),
            exclusive(tmp_path, "The run"),
        ):
            pass
        holder.kill()
        holder.wait()
    with exclusive(tmp_path, "The run"):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())
