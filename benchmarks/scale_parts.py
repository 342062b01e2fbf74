"""What each part costs for a sample, a shard or a file: `python benchmarks/scale_parts.py [--home HOME]`.

The parts that grow with a generation, each by itself and without Ray, on a copy of a real generation: its manifest, its
commits, its checksums, its verification and its compaction. From these `docs/scale.md` carries on to sizes that this
machine never drew.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

from harness import cpu_seconds, run_as_script

TITLE = "What the parts of a large generation cost"

LINES = 100_000
"""Of the manifest that is read: that of 10⁸ samples in shards of 1,000."""
COMMITS = 300
HASHED_BYTES = 2**28


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--home", help="home with a generation and its models (CRYSTALFORGE_HOME)")
    parser.add_argument("--generation", help="of the home (the newest)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Each part by itself."""
    from crystalforge.evaluation.generations import find_generation
    from crystalforge.home import Home

    generation = find_generation(Home.locate(arguments.home), arguments.generation)
    with tempfile.TemporaryDirectory(prefix="crystalforge-benchmark-") as folder:
        home = Home.locate(Path(folder) / "home")
        copied = Path(shutil.copytree(generation.folder, home.generations / generation.generation_id))
        return {
            "generation_id": generation.generation_id,
            "training_id": generation.plan["training_id"],
            "manifest": _manifest(copied, Path(folder) / "lines"),
            "commit": _commits(copied, Path(folder) / "commits"),
            "hash_bytes_per_s": _hashing(Path(folder) / "bytes"),
            "generation": _generation(home, copied),
        }


def _manifest(source: Path, folder: Path) -> dict[str, float]:
    """Reading a long manifest: CPU, bytes and memory of a line."""
    from crystalforge.catalog.shards import ShardManifest
    from crystalforge.home import shard_file_name

    line = ShardManifest(source).records()[0]
    manifest = ShardManifest(folder)
    group = line["space_group_number"]
    manifest.rewrite(line | {"file": shard_file_name(group, number), "shard": number} for number in range(LINES))
    size = manifest.path.stat().st_size
    seconds = cpu_seconds(manifest.records, repeats=2)
    tracemalloc.start()
    kept = manifest.records()
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {"lines": len(kept), "us": seconds / LINES * 1e6, "bytes": size / LINES, "memory_bytes": memory / LINES}


def _commits(source: Path, folder: Path) -> dict[str, float]:
    """Appending a line, flushed to disk."""
    from crystalforge.catalog.shards import ShardManifest

    line = ShardManifest(source).records()[0]
    manifest = ShardManifest(folder)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(COMMITS):
        manifest.append(line)
    return {
        "wall_us": (time.perf_counter() - wall) / COMMITS * 1e6,
        "cpu_us": (time.process_time() - cpu) / COMMITS * 1e6,
    }


def _hashing(path: Path) -> float:
    from crystalforge.files import sha256_of_file

    path.write_bytes(bytes(HASHED_BYTES))
    return HASHED_BYTES / cpu_seconds(lambda: sha256_of_file(path))


def _generation(home: Any, folder: Path) -> dict[str, Any]:
    """Verification before and after compaction, and the compaction itself."""
    from crystalforge.catalog.compaction import compact_generation
    from crystalforge.catalog.shards import ShardManifest
    from crystalforge.integrity import verify_home

    lines = ShardManifest(folder).records()
    rows = sum(line["rows"] for line in lines)
    before = cpu_seconds(lambda: _sound(verify_home(home, remake=0)), repeats=2)
    start = time.process_time()
    summary = compact_generation(folder)
    compaction = time.process_time() - start
    after = cpu_seconds(lambda: _sound(verify_home(home, remake=0)), repeats=2)
    return {
        "rows": rows,
        "accepted": sum(line["accepted"] for line in lines),
        "verify_us": before / rows * 1e6,
        "verify_bundles_us": after / rows * 1e6,
        "compact_us": compaction / rows * 1e6,
        "manifest_bytes": len("".join(json.dumps(line, sort_keys=True) for line in lines)),
        "manifest_bytes_after": (folder / "manifest.jsonl").stat().st_size,
        "shards": len(lines),
        **{key: getattr(summary, key) for key in ("files_before", "files_after", "bytes_before", "bytes_after")},
    }


def _sound(report: Any) -> None:
    if report.problems:
        raise ValueError(f"expected a sound generation, got: {report.problems[0].message}")


def section(results: dict[str, Any]) -> str:
    """Text and table."""
    manifest, commit, drawn = results["manifest"], results["commit"], results["generation"]
    share = drawn["accepted"] / drawn["rows"]
    text = (
        "Each part in one process without Ray, CPU of one thread unless wall is said. The rows are those of generation "
        f"{results['generation_id']} of training {results['training_id']}: {drawn['rows']:,} samples in "
        f"{drawn['shards']:,} shards, {share:.1%} accepted. Verification reads, hashes and checks every row and draws "
        "none again. Compaction reads every shard twice, writes it once and compares the two to the bit."
    )
    rows = [
        ("reading the manifest", f"{manifest['us']:.1f} µs for each line", f"{manifest['lines']:,} lines"),
        ("a line of the manifest", f"{manifest['bytes']:.0f} bytes", ""),
        ("a line in memory", f"{manifest['memory_bytes']:.0f} bytes", ""),
        (
            "commit of a shard, flushed",
            f"{commit['cpu_us']:.0f} µs, {commit['wall_us'] / 1e3:.1f} ms wall",
            f"{COMMITS} commits; the wall time is the disk's",
        ),
        ("checksums", f"{results['hash_bytes_per_s'] / 1e9:.2f} GB/s", "SHA-256 of a file in the system's cache"),
        ("verification", f"{drawn['verify_us']:.1f} µs for each sample", "`platform verify --remake 0`"),
        ("the same after compaction", f"{drawn['verify_bundles_us']:.1f} µs for each sample", ""),
        ("compaction", f"{drawn['compact_us']:.1f} µs for each sample", "`platform compact`"),
        (
            "a sample on disk",
            f"{drawn['bytes_before'] / drawn['rows']:.0f} bytes, compacted {drawn['bytes_after'] / drawn['rows']:.0f}",
            f"{drawn['files_before']:,} files, then {drawn['files_after']:,}",
        ),
        (
            "a shard in the manifest",
            f"{drawn['manifest_bytes'] / drawn['shards']:.0f} bytes, compacted "
            f"{drawn['manifest_bytes_after'] / drawn['shards']:.0f}",
            "",
        ),
    ]
    lines = ["| part | cost | of |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    return f"{text}\n\n" + "\n".join(lines)


def main() -> None:
    """Run as a script."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
