"""Whatever a server sends as an entry becomes a crystal or a reason, never an error; and a table can hold it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crystalforge.dataset.exclusion import Exclusion, ExclusionReason, exclusions_table
from crystalforge.dataset.servers import Download, materials_project, optimade, records_of
from crystalforge.dataset.servers.answers import BrokenPageError, page_facts
from crystalforge.dataset.servers.entries import Reader
from crystalforge.dataset.servers.optimade_filters import server_fields
from crystalforge.errors import DamagedFileError

NAMES = server_fields({"_mp_stability", "_oqmd_stability"})
CRYSTAL = {
    "lattice_vectors": [[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]],
    "cartesian_site_positions": [[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]],
    "species": [{"name": name, "chemical_symbols": [name], "concentration": [1.0]} for name in ("Cs", "Cl")],
    "species_at_sites": ["Cs", "Cl"],
    "dimension_types": [1, 1, 1],
}
SITES = [{"species": [{"element": name, "occu": 1}], "abc": [place] * 3} for name, place in (("Cs", 0.0), ("Cl", 0.5))]
SUMMARY = {
    "material_id": "mp-1",
    "structure": {"lattice": {"matrix": CRYSTAL["lattice_vectors"]}, "sites": SITES},
    "builder_meta": {"license": "BY-C"},
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=5)
    | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def read_optimade(entry: Any) -> Any:
    return optimade.read_entry(NAMES, entry)


def results_of(folder: Path, reader: Reader, *entries: Any) -> list[Any]:
    """As a build reads them, from a page on the disk."""
    page = folder / "pages" / "00000.json.gz"
    page.parent.mkdir(exist_ok=True)
    (folder / "pages.jsonl").unlink(missing_ok=True)
    download = Download(folder)
    download.add("https://example.org/structures", json.dumps({"data": list(entries)}).encode(), (len(entries), None))
    assert gzip.decompress(page.read_bytes())
    return list(records_of(Download(folder), reader, None))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from([*CRYSTAL, "_mp_stability", "_oqmd_stability", "id"]), value=ANYTHING)
def test_an_entry_of_optimade_with_anything_in_it(tmp_path: Path, key: str, value: Any) -> None:
    entry: dict[str, Any] = {"id": "x", "attributes": dict(CRYSTAL)}
    (entry if key == "id" else entry["attributes"])[key] = value
    (result,) = results_of(tmp_path, read_optimade, entry)
    exclusions_table(
        [result if isinstance(result, Exclusion) else Exclusion(result.input, ExclusionReason.LICENCE, "")]
    )
    assert json.dumps(None if isinstance(result, Exclusion) else result.question(), allow_nan=False)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from([*SUMMARY, "energy_above_hull"]), value=ANYTHING)
def test_a_summary_with_anything_in_it(tmp_path: Path, key: str, value: Any) -> None:
    (result,) = results_of(tmp_path, materials_project.read_entry, SUMMARY | {key: value})
    exclusions_table(
        [result if isinstance(result, Exclusion) else Exclusion(result.input, ExclusionReason.LICENCE, "")]
    )


def test_whole_entries_are_read_and_no_entries_are_named_by_their_place(tmp_path: Path) -> None:
    good = {"id": "good", "attributes": CRYSTAL}
    results = results_of(tmp_path, read_optimade, good, 7, None, [], {"id": "empty"})
    assert results[0].unit_cell.atomic_numbers == [55, 17]
    assert [(one.input, one.reason.value) for one in results[1:]] == [
        ("page 1 entry 2", "parse_failed"),
        ("page 1 entry 3", "parse_failed"),
        ("page 1 entry 4", "parse_failed"),
        ("empty", "parse_failed"),
    ]
    assert results_of(tmp_path, materials_project.read_entry, SUMMARY)[0].unit_cell == results[0].unit_cell


def test_a_page_outside_of_the_download_is_refused(tmp_path: Path) -> None:
    results_of(tmp_path, read_optimade, {"id": "good", "attributes": CRYSTAL})
    lines = tmp_path / "pages.jsonl"
    lines.write_text(lines.read_text(encoding="utf-8").replace("pages/00000", "../../elsewhere"), encoding="utf-8")
    with pytest.raises(DamagedFileError, match="expected a plain file inside"):
        list(Download(tmp_path).entries())
    lines.write_text('{"url": "x"}\n', encoding="utf-8")
    with pytest.raises(DamagedFileError, match="expected lines of pages"):
        Download(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"data": 5}', b'{"data": {}}', b'{"data": [], "meta": [1]}', b"[" * 100_000, b"\xff\xfe"],
)
def test_what_is_no_page_is_asked_for_again(content: bytes) -> None:
    with pytest.raises(BrokenPageError):
        page_facts(content)
