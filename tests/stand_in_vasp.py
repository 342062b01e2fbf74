"""NOT VASP: a stand-in that replays the outputs of a real run of another's, or fails as VASP fails. For tests.

    python stand_in_vasp.py BEHAVIOUR FOLDER

FOLDER holds ``vasprun_dfpt.xml`` and ``OUTCAR_example_1`` of ASE's own tests: real outputs, of two different crystals;
the first, NaCl by VASP 6.3.2, is what the energy is read from. It looks at its inputs as VASP does: in the working
directory. Standard library only.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

IGNORES_SIGTERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
REAL = Path(sys.argv[2])


def say(text: str) -> None:
    """On the standard output, where custodian looks for VASP's messages."""
    sys.stdout.write(f"{text}\n")


def replay() -> None:
    """As if all were well."""
    shutil.copy(REAL / "vasprun_dfpt.xml", "vasprun.xml")
    shutil.copy(REAL / "OUTCAR_example_1", "OUTCAR")
    shutil.copy("POSCAR", "CONTCAR")
    Path("OSZICAR").write_text("   1 F= -.67458730E+01 E0= -.67458730E+01  d E =-.674587E+01\n")


def heal() -> None:
    """Fail once as a line search fails; what custodian then changes leaves the energies on their scale."""
    if "NELMIN" in Path("INCAR").read_text():
        return replay()
    shutil.copy("POSCAR", "CONTCAR")
    say(" ZBRENT: fatal error in bracketing")
    return None


def tetrahedra() -> None:
    """Fail so that custodian would take another smearing."""
    say(" Tetrahedron method fails (number of k-points < 4)")


def hopeless() -> None:
    """Fail so that custodian has no correction."""
    say(" WARNING: Sub-Space-Matrix is not hermitian in DAV            1")


def early() -> None:
    """Exit with 0 in the middle of the output."""
    replay()
    whole = Path("vasprun.xml").read_text()
    Path("vasprun.xml").write_text(whole[: len(whole) // 2])


def crash() -> None:
    """End by a signal."""
    os.kill(os.getpid(), signal.SIGSEGV)


def hang() -> None:
    """Ignore SIGTERM, with a child that ignores it too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-I", "-S", "-c", IGNORES_SIGTERM])
    time.sleep(3600)


BEHAVIOURS = {function.__name__: function for function in (replay, heal, tetrahedra, hopeless, early, crash, hang)}

if __name__ == "__main__":
    missing = [name for name in ("INCAR", "POSCAR", "POTCAR") if not Path(name).is_file()]
    if missing:
        sys.exit(f"stand-in for VASP: no {', '.join(missing)}")
    say("stand-in for VASP: NOT A CALCULATION")
    BEHAVIOURS[sys.argv[1]]()
