"""Fault 6: CIFs made to harm. Each is refused within 10 s and 500 MB, and nothing is written outside the home."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from crystalforge.dataset.cif_child import CifChild, ParserLimits
from crystalforge.dataset.exclusion import ExclusionReason, LeftOutError

LIMIT_S = 10.0
LIMIT_MB = 500
GIGABYTE = 10**9

CELL = "".join(f"_cell_length_{name} 3.905\n" for name in "abc") + "".join(
    f"_cell_angle_{name} 90\n" for name in ("alpha", "beta", "gamma")
)
LOOP = "loop_\n" + "".join(
    f"_atom_site_{name}\n" for name in ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
)
ATOMS = "Sr Sr 0 0 0 1\nTi Ti .5 .5 .5 1\nO1 O .5 .5 0 1\nO2 O .5 0 .5 1\nO3 O 0 .5 .5 1\n"
P1 = "_symmetry_space_group_name_H-M 'P 1'\n"
PEROVSKITE = f"data_x\n{P1}{CELL}{LOOP}{ATOMS}"

PAYLOAD = (
    "_space_group_magn.transform_BNS_Pp_abc  'a,b,[d for d in ().__class__.__mro__[1].__getattribute__ "
    '( *[().__class__.__mro__[1]]+["__sub" + "classes__"]) () if d.__name__ == "BuiltinImporter"][0].load_module '
    '("os").system ("touch {file}");0,0,0\'\n'
    "_space_group_magn.number_BNS  62.448\n_space_group_magn.name_BNS  \"P  n'  m  a'  \"\n"
    "loop_\n_parent_propagation_vector.id\n_parent_propagation_vector.kxkykz\nk1 [0 0 0]\n"
)
"""CVE-2024-23346: pymatgen evaluated the transformation of a magnetic space group as Python."""


def many_atoms(count: int) -> Iterator[str]:
    """CIF of a cell with so many atoms."""
    yield f"data_x\n{P1}{CELL}{LOOP}"
    for i in range(count):
        element = ("Sr", "Ti", "O")[i % 3]
        yield f"{element}{i} {element} {i % 101 / 101:.4f} {i // 101 % 101 / 101:.4f} {i // 10201 / 101:.4f} 1\n"


def million_atoms_by_symmetry() -> str:
    """5,300 atoms and 192 operations: a million atoms in 300 kB, which no limit of length stops."""
    signs = itertools.product("+-", repeat=3)
    operations = [f"'{a}x+{i}/97,{b}y,{c}z'" for a, b, c in signs for i in range(24)]
    symmetry = "loop_\n_symmetry_equiv_pos_as_xyz\n" + "\n".join(operations) + "\n"
    return "".join(many_atoms(5300)).replace(P1, symmetry)


SMALL = {
    "nan_cell": (PEROVSKITE.replace("3.905", "nan"), ExclusionReason.BAD_CELL),
    "infinite_cell": (PEROVSKITE.replace("3.905", "1e999"), None),
    "zero_volume": (PEROVSKITE.replace("3.905", "0"), None),
    "flat_angles": (PEROVSKITE.replace("alpha 90", "alpha 180"), None),
    "nan_position": (PEROVSKITE.replace("Ti Ti .5", "Ti Ti nan"), None),
    "utf_16": (PEROVSKITE.encode("utf-16").decode("latin-1"), ExclusionReason.PARSE_FAILED),
    "bytes": (bytes(range(256)).decode("latin-1") * 4096, ExclusionReason.PARSE_FAILED),
    "blanks": (" " * (4 * 2**20 - 1), ExclusionReason.PARSE_FAILED),
    "loops": ("data_x\n" + "loop_\n" * 600_000, ExclusionReason.PARSE_FAILED),
    "million_atoms_by_symmetry": (million_atoms_by_symmetry(), ExclusionReason.PARSE_TIMEOUT),
    "line_breaks": ("\n" * (4 * 2**20 - 1), ExclusionReason.PARSE_TIMEOUT),
}
"""Name → text that is short enough to be parsed, and the reason if it is always the same."""

SLOW = {"line_breaks": pytest.mark.nightly, "bytes": pytest.mark.nightly}


@pytest.fixture(scope="module")
def child() -> Iterator[CifChild]:
    child = CifChild(ParserLimits())
    yield child
    child.close()


@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in SMALL])
def test_a_text_made_to_harm_is_refused_in_time(child: CifChild, name: str) -> None:
    text, reason = SMALL[name]
    assert child.parse(PEROVSKITE).space_group_number == 221, "the parser is there"
    start = time.monotonic()
    with pytest.raises(LeftOutError) as caught:
        child.parse(text)
    assert time.monotonic() - start < LIMIT_S
    assert caught.value.detail
    assert reason is None or caught.value.reason is reason


def test_what_grows_is_stopped_by_the_limit_of_memory() -> None:
    grown = CifChild(ParserLimits(memory_mib=64))
    try:
        with pytest.raises(LeftOutError) as caught:
            grown.parse("".join(many_atoms(60_000)))
        assert caught.value.reason in (ExclusionReason.PARSE_MEMORY, ExclusionReason.PARSE_CRASHED)
    finally:
        grown.close()


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A good crystal, 1 GB of blanks, 10⁶ atoms, a payload, names that climb, and modules that would be imported."""
    outside = tmp_path_factory.mktemp("hostile")
    folder = outside / "cifs"
    folder.mkdir()
    (folder / "good.cif").write_text(PEROVSKITE)
    (folder / "climbing.cif").write_text(PEROVSKITE.replace("data_x", "data_../../climbed"))
    (folder / "latin.cif").write_bytes(PEROVSKITE.replace("data_x", "data_x\n# ümlaut").encode("latin-1"))
    (folder / "utf_16.cif").write_bytes(PEROVSKITE.encode("utf-16"))
    (folder / "payload.cif").write_text(
        f"data_x\n{PAYLOAD.format(file=outside / 'pwned')}{CELL}{LOOP}{ATOMS}", encoding="utf-8"
    )
    (folder / "link.cif").symlink_to("/etc/hostname")
    with (folder / "atoms.cif").open("w") as stream:
        stream.writelines(many_atoms(1_000_000))
    with (folder / "zeros.cif").open("wb") as stream:
        stream.truncate(GIGABYTE)  # sparse
    for name in ("numpy", "pymatgen", "json", "resource"):
        (folder / f"{name}.py").write_text(f"open({str(outside / 'pwned')!r}, 'w')")
    yield folder
    for path in folder.iterdir():
        path.unlink()


MEASURED = """
import resource, subprocess, sys, time
start = time.monotonic()
code = subprocess.run(sys.argv[1:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"MEASURED {code} {time.monotonic() - start} {peak * 1024 / 1e6}")
"""
PLATFORM = [sys.executable, "-P", "-c", "from crystalforge.cli import main; main()"]


def build(source: Path, home: Path, cwd: Path) -> tuple[int, float, float, str]:
    """Run ``platform dataset build``: exit code, seconds, peak memory (MB) of any of its processes, what it said."""
    command = [*PLATFORM, "dataset", "build", str(source), "--home", str(home)]
    done = subprocess.run(
        [sys.executable, "-P", "-c", MEASURED, *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=80,
        check=True,
    )
    said, _, figures = done.stdout.rpartition("MEASURED ")
    code, seconds, peak = figures.split()
    return int(code), float(seconds), float(peak), said + done.stderr


def test_a_folder_of_them_becomes_a_dataset_of_the_good_one(hostile_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    listing = sorted(hostile_folder.parent.rglob("*"))
    code, seconds, peak, said = build(hostile_folder, home, cwd=hostile_folder)
    assert code == 0, said
    (dataset,) = (path.parent for path in home.glob("datasets/*/manifest.json"))
    rows = pq.read_table(dataset / "exclusions.parquet").to_pylist()
    reasons = {row["input"]: row["reason"] for row in rows}
    assert reasons == {
        "atoms.cif": "too_large",
        "zeros.cif": "too_large",
        "utf_16.cif": "parse_failed",
        "payload.cif": reasons["payload.cif"],
        "good.cif": "duplicate",
        "latin.cif": "duplicate",
    }, rows
    assert pq.read_table(dataset / "materials.parquet")["material_id"].to_pylist() == ["climbing"]
    assert sorted(hostile_folder.parent.rglob("*")) == listing, "neither payload nor module ran, no name climbed"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]
    assert seconds < LIMIT_S * len(reasons), "each file has its own limit, which the tests above hold tight"
    assert peak < LIMIT_MB


@pytest.mark.parametrize("start", ["", "material_id,cif\nx,"], ids=["blanks alone", "blanks in a field"])
def test_a_csv_with_a_gigabyte_of_blanks_is_refused(tmp_path: Path, start: str) -> None:
    source = tmp_path / "blanks.csv"
    with source.open("wb") as stream:
        stream.write(start.encode())
        for _ in range(24):
            stream.write(b" " * 2**20)
        stream.truncate(GIGABYTE)  # the rest is a hole of zeros: reading it all would take as long as blanks
    code, seconds, peak, said = build(source, tmp_path / "home", cwd=tmp_path)
    assert code == 1
    assert "is too long: expected a CSV" in said
    assert seconds < LIMIT_S
    assert peak < LIMIT_MB
    assert not list((tmp_path / "home").rglob("*.parquet"))
    source.unlink()


def test_an_identifier_that_climbs_is_only_a_text(tmp_path: Path) -> None:
    source = tmp_path / "in" / "crystals.csv"
    source.parent.mkdir()
    cif = PEROVSKITE.replace('"', '""')
    source.write_text(f'material_id,cif\n../../climbed,"{cif}"\n')
    code, _, _, said = build(source, tmp_path / "home", cwd=tmp_path)
    assert code == 0, said
    (manifest,) = (tmp_path / "home" / "datasets").glob("*/manifest.json")
    assert json.loads(manifest.read_text())["counts"]["221"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["crystals.csv"]
