"""The text of the proof of the merge, from its figures alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

COUNTS = (
    "cases",
    "percolating",
    "merged",
    "untouched",
    "disagrees",
    "repeat_changes",
    "repeat_percolates",
    "repeat_disagrees",
    "too_close",
)
HEADS = (
    "group",
    "cases",
    "percolate",
    "merged",
    "no link",
    "disagree",
    "repeat changes",
    "and percolates",
    "repeat disagrees",
    "too close after repeat",
    "null: mean of near images",
)


def section(results: dict[str, Any]) -> str:
    """Markdown of the section."""
    parts = [*_agreement(results), *_oracles(results["oracles"]), *_search(results["search"]), *_real(results)]
    return "\n\n".join(parts) + "\n"


def _agreement(results: Mapping[str, Any]) -> list[str]:
    agreement = results["agreement"]
    groups, others = agreement["groups"], agreement["others"]
    total = _total(groups.values())
    wrong = total["disagrees"] + total["repeat_disagrees"] + total["too_close"]
    deviation = max(row["largest_deviation_of_centres_angstrom"] for row in groups.values())
    (shortest, longest), (least, most) = results["cell_range_angstrom"], results["cutoff_range_angstrom"]
    rows = [_agreement_row(number, row) for number, row in groups.items()] + [_agreement_row("all", total)]
    kinds = [
        (kind, *(f"{row[name]:,}" for name in ("cases", "percolating", "merged", "disagrees", "repeat_disagrees")))
        for kind, row in agreement["by_kind"].items()
    ]
    parts = [
        "### Against SciPy's single linkage",
        _paragraph(f"""
            `python benchmarks/oracle.py`, seed {results["seed"]}: {total["cases"]:,} random cases in the 12 groups. A
            case is a site, a cell with edges of {shortest:g} to {longest:g} Å (every other real site stands in its own
            cell; {results["real_source"]}) and a cut-off of {least:g} to {most:g} Å. All images of the site, one per
            operation, are clustered by `scipy.cluster.hierarchy` on the least periodic distances, and each cluster is
            unwrapped along the graph (`benchmarks/fast_oracle.py`; it shares only the operations with the merge). A
            case agrees if percolation, number of clusters and all centres of the orbit are the same, centres to
            1e-6 Å. So with `repeat=True`, where the oracle clusters the orbit of its own centre until nothing changes.
        """),
        _paragraph(f"""
            **{wrong:,} disagreements in {total["cases"]:,} cases, one pass and repeated.** The largest distance of
            our centres from the oracle's is {deviation:.1e} Å. Cases with a distance within 1e-9 Å of the cut-off,
            which round-off decides: {total["on_edge"]:,}; they are judged like all others. In the last kind of
            case the cut-off is 1e-7 Å above or below the distance of two sites of the orbit.
        """),
        _table(HEADS, rows),
        _paragraph(f"""
            *Merged*: the multiplicity is below the general one. *No link*: nothing is within the cut-off; this is the
            first null, a merge that does nothing, right in {_share(total["untouched"], total["cases"])} of the cases.
            The second null moves the site once to the mean of its nearest images within the cut-off:
            {_share(total["average_agrees"], total["cases"])}. *Repeat changes*: centres of one pass are again within
            the cut-off, so that `repeat=True` gives fewer or percolates; *too close after repeat*: two sites of the
            final orbit are within the cut-off. One pass left two clusters with the same centre in
            {total["coinciding_centres"]:,} cases. The same merge by torch (on the CPU, double precision) gave another
            result than that of NumPy arrays, once or repeated, in {total["tensors_differ"]:,} cases.
        """),
        _table(("kind of site", "cases", "percolate", "merged", "disagree", "repeat disagrees"), kinds),
    ]
    if agreement["n_other_groups"]:
        parts.append(
            _paragraph(f"""
                The other {agreement["n_other_groups"]} space groups, through the same code: {others["cases"]:,} cases,
                {others["percolating"]:,} percolate, {others["merged"]:,} merged,
                {others["disagrees"] + others["repeat_disagrees"] + others["too_close"]:,} disagreements; largest
                deviation of a centre {others["largest_deviation_of_centres_angstrom"]:.1e} Å.
            """)
        )
    cpu = total["cpu_s"] + others.get("cpu_s", 0.0)
    parts.append(f"Judging took {agreement['wall_s']:.0f} s on {results['processes']} processes, {cpu:.0f} s of CPU.")
    return parts + _examples([text for row in (*groups.values(), others) for text in row["examples"]])


def _agreement_row(name: object, row: Mapping[str, Any]) -> list[str]:
    return [str(name), *(f"{row[key]:,}" for key in COUNTS), _share(row["average_agrees"], row["cases"])]


def _oracles(oracles: Mapping[str, Any]) -> list[str]:
    if not oracles["n"]:
        return []
    return [
        _paragraph(f"""
            The oracle itself, against `cluster_overlapping_sites` (27 images or as many as the cut-off needs, no
            KD-tree, its own unwrapping): {oracles["disagreements"]:,} disagreements in {oracles["n"]:,} cases in
            partition, centres or percolation, at {oracles["fast_ms_per_case"]:.1f} against
            {oracles["slow_ms_per_case"]:.0f} ms of CPU per case.
        """),
        *_examples(oracles["examples"]),
    ]


def _search(search: list[Mapping[str, Any]]) -> list[str]:
    if not search:
        return []
    n, held = (sum(row[key] for row in search) for key in ("n", "moyopy_holds_the_group"))
    n_spglib, held_spglib = (sum(row[key] for row in search) for key in ("n_spglib", "spglib_holds_the_group"))
    n_three = sum(row["n"] for row in search if row["package_search_same_number"] is not None)
    same = sum(row["package_search_same_number"] or 0 for row in search)
    heads = (
        "group",
        "orbits",
        "n",
        "moyopy: holds the group",
        "exactly the group",
        "larger groups found (at most four)",
        "spglib: holds the group",
        "null: same number",
        "drawn, but left out: percolates / orbits coincide / too close",
    )
    return [
        "### Symmetry search on merged crystals",
        _paragraph(f"""
            Random sites, merged with `repeat=True` at 0.4 to 1.5 Å; crystals of one orbit and of three orbits of three
            elements. *Holds the group*: every operation of the requested group is among those found at symprec 0.01 Å,
            in the setting of the input, rotation by rotation and translation modulo the lattice to 0.02 Å; a larger
            number of a group proves nothing. moyopy searches the primitive cell, spglib the conventional one.
            **moyopy: {held:,} of {n:,}; spglib: {held_spglib:,} of {n_spglib:,}.** `find_space_groups` of the package
            gives moyopy's number for {same:,} of {n_three:,} crystals of three orbits.
        """),
        _paragraph("""
            Left out, as no crystals: a site percolates; two orbits have the same sites (two elements on one special
            position); atoms of two orbits are closer than symprec, where a search is not defined. Null: the same
            crystals with every atom displaced by 0.02 Å (standard deviation along each axis); a crystal of one atom
            per primitive cell has no symmetry to lose.
        """),
        _table(heads, [_search_row(row) for row in search]),
        *_examples([text for row in search for text in row["failures"]]),
    ]


def _search_row(row: Mapping[str, Any]) -> list[str]:
    larger = ", ".join(f"{number} ({count})" for number, count in row["supergroups"].items())
    return [
        str(row["space_group_number"]),
        str(row["n_orbits"]),
        str(row["n"]),
        str(row["moyopy_holds_the_group"]),
        str(row["moyopy_exact"]),
        larger or "none",
        f"{row['spglib_holds_the_group']} of {row['n_spglib']}",
        str(row["null_same_number"]),
        " / ".join(str(count) for count in row["left_out"].values()),
    ]


def _real(results: Mapping[str, Any]) -> list[str]:
    real = results["real"]
    keys = (
        "n",
        "multiplicities_as_stated",
        "atoms_as_stated",
        "letters_as_stated",
        "letters_without_merging_as_stated",
    )
    keys += ("n_spglib", "spglib_agrees", "spglib_in_place", "spglib_at_finer_symprec")
    total = {key: sum(row[key] for row in real.values()) for key in keys}
    heads = ("group", "crystals", "multiplicities", "atoms", "letters", "letters, null")
    heads += ("seen by spglib", "spglib agrees", "same origin", "finer symprec")
    rows = [[name, *(f"{row[key]:,}" for key in keys)] for name, row in (*real.items(), ("**all**", total))]
    return [
        "### Real crystals",
        _paragraph(f"""
            {results["real_source"]}: the three representative sites, merged at 0.1 Å and expanded. Crystals of which
            multiplicities, number of atoms and Wyckoff letters of all sites are those that the dataset states; the
            null are the letters of the sites as they are, without the merge. *spglib agrees*: its letters of all atoms
            (symprec 0.01 Å, in the Hall setting of the group) are ours of the same atoms where spglib puts them, and
            its orbits are as large. *Same origin*: it leaves them in place, so that its letters are directly those of
            the crystal. *Finer symprec*: within 0.01 Å the crystal has more symmetry than its group, and spglib was
            asked at 1e-4 Å.
        """),
        _table(heads, rows),
        *_examples([text for row in real.values() for text in row["examples"]]),
    ]


def _total(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for row in rows:
        for key, value in row.items():
            if isinstance(value, (int, float)):
                total[key] = total.get(key, 0) + value
    return total


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "n = 0"


def _paragraph(text: str) -> str:
    return " ".join(text.split())


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(heads)
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _examples(examples: list[str]) -> list[str]:
    return ["Cases that fail:\n\n" + "\n".join(f"- {text}" for text in examples[:20])] if examples else []
