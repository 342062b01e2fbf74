"""Ten million samples: `python benchmarks/ten_million.py [--home HOME] [--count 10000000] [--work FOLDER]`.

Runs the real commands, each in a process of its own: `platform generate`, then SQL, `status`, `verify` and `export` of
1,000 crystals; then `platform compact`, and the same again. The samples lie in the folder of --work and stay there: the
same command given again draws what is missing, adds up what every part cost, and does what was not done yet. --drawn
takes a home whose generation is there already, and draws nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from generation_command import add_home_argument, trained_home
from harness import RESULTS_FOLDER, run_as_script, write_json
from watched_command import DRIVER, KINDS, RAY, WORKERS, Seen, watch

TITLE = "Ten million samples"

COUNT = 10_000_000
EVERY_S = 5.0
"""Between two looks at a run of half an hour."""
EXPORTED = 1000
COMMANDS = {
    "status": "`platform status`",
    "verify": "`platform verify --remake 0`",
    "export": f"`platform export --limit {EXPORTED}`",
}
NOTED_EVERY = 30.0
"""Seconds between two notes of how far the run is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    add_home_argument(parser)
    parser.add_argument("--count", type=int, default=COUNT, help="samples (%(default)s)")
    parser.add_argument(
        "--work",
        type=Path,
        default=RESULTS_FOLDER / "ten_million",
        help="folder of the samples, 0.2 kB each (%(default)s)",
    )

    parser.add_argument("--drawn", type=Path, help="home with a generation to ask, in place of drawing one")
    parser.add_argument("--leave-out", default="", help="questions and commands that are not asked, such as verify")
    parser.add_argument("--note", default="", help="what the page should say of this run besides")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Draw, ask, compact, ask again."""
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    if arguments.drawn:
        home, drawn = arguments.drawn.resolve(), _on_disk(arguments.drawn)
    else:
        home = work_home(trained_home(arguments.home), work)
        drawn = draw(home, work, arguments.count)
    (generation,) = [path.parent.name for path in home.glob("generations/*/manifest.jsonl")]
    return {
        "drawn": drawn,
        "n_samples": drawn["rows"],
        "before": _asked(home, work, "before", arguments.leave_out),
        "compacted": once(work / "compacted.json", lambda: _command(["compact", generation, "--json"], home)),
        "compacted_files": once(work / "compacted_files.json", lambda: _on_disk(home)),
        "after": _asked(home, work, "after", arguments.leave_out),
        "note": arguments.note,
    }


def once(path: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What an earlier call of this benchmark measured, or is measured now."""
    if not path.exists():
        write_json(path, work())
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _asked(home: Path, work: Path, when: str, left_out: str) -> dict[str, Any]:
    """Every question and command, on the generation as it lies there now."""
    from catalog_scale import QUERIES, ask

    from crystalforge.home import Home

    where = Home.locate(home)
    found = {
        name: once(work / f"{when}-{name}.json", lambda sql=sql: _answer(lambda: ask(where, sql)))
        for name, sql in QUERIES.items()
    }
    crystals = (work / f"{when}-crystals.csv").resolve()
    commands = {
        "status": ["status", "--json"],
        "verify": ["verify", "--remake", "0", "--json"],
        "export": ["export", "--limit", str(EXPORTED), "--out", str(crystals), "--format", "csv", "--overwrite"],
    }
    for name, words in commands.items():
        found[name] = (
            {}
            if name in left_out.split(",")
            else once(work / f"{when}-{name}.json", lambda words=words: _command(words, home))
        )
    return found


def _answer(asked: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What an answer took; a refusal is a result too."""
    from crystalforge.errors import QueryError

    try:
        return asked()
    except QueryError as error:
        return {"refused": str(error)}


def _command(words: list[str], home: Path) -> dict[str, Any]:
    seen = watch([*words, "--home", home])
    return seen.summary()


def work_home(trained: Path, work: Path) -> Path:
    """A home in the folder of the work, with the models of another."""
    home = work.resolve() / "home"
    home.mkdir(parents=True, exist_ok=True)
    for room in ("datasets", "trainings"):
        if not (home / room).exists():
            (home / room).symlink_to(trained / room)
    return home


def draw(home: Path, work: Path, count: int) -> dict[str, Any]:
    """Run `platform generate` until all is drawn; what earlier calls took is added."""
    parts = work / "drawn"
    parts.mkdir(parents=True, exist_ok=True)
    part = parts / f"part-{len(list(parts.iterdir())):03d}.json"
    notes: list[dict[str, Any]] = []

    def note(seen: Seen) -> None:
        """Written down as it goes on: a part that is killed counts too."""
        if not notes or seen.wall_s - notes[-1]["wall_s"] >= NOTED_EVERY:
            notes.append(_how_far(home, seen))
            write_json(part, seen.summary() | {"notes": notes})

    if _committed(home)["rows"] < count:
        seen = watch(["generate", "--count", count, "--home", home], on_look=note, poll_s=EVERY_S)
        notes.append(_how_far(home, seen))
        write_json(part, seen.summary() | {"notes": notes})
    return _added_up([json.loads(path.read_text()) for path in sorted(parts.iterdir())]) | _on_disk(home)


def _how_far(home: Path, seen: Seen) -> dict[str, Any]:
    return {
        "wall_s": seen.wall_s,
        "shards": _committed(home)["shards"],
        "driver_rss_bytes": seen.rss_bytes.get(DRIVER, 0),
    }


def _committed(home: Path) -> dict[str, int]:
    """Rows and shards that the manifest names, and its size."""
    paths = list(home.glob("generations/*/manifest.jsonl"))
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    return {
        "rows": sum(line["rows"] for line in lines),
        "accepted": sum(line["accepted"] for line in lines),
        "shards": len(lines),
        "manifest_bytes": sum(path.stat().st_size for path in paths),
    }


def _added_up(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Seconds of all parts together, the most memory of any."""
    return {
        "n_parts": len(parts),
        "wall_s": sum(part["wall_s"] for part in parts),
        "cpu_s": sum(part["cpu_s"] for part in parts),
        "cpu_s_by_kind": {kind: sum(part["cpu_s_by_kind"][kind] for part in parts) for kind in KINDS},
        "peak_rss_bytes": {kind: max(part["peak_rss_bytes"][kind] for part in parts) for kind in KINDS},
        "n_workers": max(part["n_workers"] for part in parts),
        "notes": [part["notes"] for part in parts],
    }


def _on_disk(home: Path) -> dict[str, Any]:
    files = list(home.glob("generations/*/**/*.parquet"))
    return _committed(home) | {"n_files": len(files), "bytes_on_disk": sum(path.stat().st_size for path in files)}


def section(results: dict[str, Any]) -> str:
    """Text and tables."""
    parts = [_drawing(results["drawn"]), _files(results), _answers(results), results["note"]]
    return "\n\n".join(part for part in parts if part)


def _drawing(drawn: dict[str, Any]) -> str:
    rows = drawn["rows"]
    if "cpu_s" not in drawn:
        return f"{rows:,} samples that were there already, {drawn['accepted'] / rows:.1%} of them accepted."
    workers, driver, ray = (drawn["cpu_s_by_kind"][kind] for kind in (WORKERS, DRIVER, RAY))
    memory = drawn["peak_rss_bytes"]
    begun = f" in {drawn['n_parts']} parts" if drawn["n_parts"] > 1 else ""
    return (
        f"`platform generate --count {rows}`{begun}: {drawn['cpu_s']:,.0f} s of CPU (workers {workers:,.0f} s, "
        f"driver {driver:,.0f} s, Ray's own processes {ray:,.0f} s), {drawn['wall_s']:,.0f} s of wall time; "
        f"{drawn['accepted']:,} accepted ({drawn['accepted'] / rows:.1%}). Peak RSS: {memory[WORKERS] / 1e6:.0f} MB of "
        f"a worker, {memory[DRIVER] / 1e6:.0f} MB of the driver, which had {_first_rss(drawn) / 1e6:.0f} MB when the "
        "first shards came."
    )


def _first_rss(drawn: dict[str, Any]) -> float:
    """Memory of the driver (bytes) at the first look that saw a shard."""
    notes = [note for part in drawn["notes"] for note in part if note["shards"]]
    return float(notes[0]["driver_rss_bytes"]) if notes else 0.0


def _files(results: dict[str, Any]) -> str:
    before, after, compacted = results["drawn"], results["compacted_files"], results["compacted"]
    lines = ["| | files | on disk (MB) | bytes per sample | manifest (MB) |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {name} | {found['n_files']:,} | {found['bytes_on_disk'] / 1e6:,.0f} "
        f"| {found['bytes_on_disk'] / found['rows']:.0f} | {found['manifest_bytes'] / 1e6:.2f} |"
        for name, found in (("as drawn", before), ("compacted", after))
    ]
    took = (
        f"`platform compact` took {compacted['cpu_s']:,.0f} s of CPU, {compacted['wall_s']:,.0f} s of wall time and "
        f"{compacted['peak_rss_bytes'][DRIVER] / 1e6:.0f} MB."
    )
    return "\n".join(lines) + f"\n\n{took}"


def _answers(results: dict[str, Any]) -> str:
    from catalog_scale import HEADINGS

    text = (
        "SQL, each question to a catalog that was just opened and again to the same one; CPU is of the process of SQL "
        "over all cores, MB its peak RSS. Below, whole commands, with the CPU and the largest RSS of all their "
        "processes."
    )
    lines = [
        "| | wall, first and again (s) | CPU, first and again (s) | MB | compacted: wall (s) | CPU (s) | MB |",
        "|---|" + "---:|" * 6,
    ]
    both = results["before"], results["after"]
    for name, heading in HEADINGS.items():
        cells = [cell for found in both for cell in _answer_cells(found[name])]
        lines.append(f"| SQL: {heading} | {' | '.join(cells)} |")
    for name, words in COMMANDS.items():
        cells = [cell for found in both for cell in _command_cells(found[name])]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return f"{text}\n\n" + "\n".join(lines)


def _answer_cells(asked: dict[str, Any]) -> list[str]:
    if "first" not in asked:
        return ["refused" if "refused" in asked else "not asked", "-", "-"]
    cells = [f"{asked['first'][key]:.1f}, {asked['again'][key]:.1f}" for key in ("wall_s", "cpu_s")]
    return [*cells, f"{asked['peak_rss_bytes'] / 1e6:,.0f}"]


def _command_cells(seen: dict[str, Any]) -> list[str]:
    if "cpu_s" not in seen:
        return ["not run", "-", "-"]
    memory = max(seen["peak_rss_bytes"].values())
    return [f"{seen['wall_s']:.1f}", f"{seen['cpu_s']:.1f}", f"{memory / 1e6:,.0f}"]


def main() -> None:
    """Run as a script."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
