"""SQL beside a process that commits shards: every answer is of whole shards, and none is an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from small_catalog import add_generation

from crystalforge.catalog.query import open_catalog
from crystalforge.home import Home

ROWS = 5
WRITER = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
import pyarrow as pa
from crystalforge.catalog.shards import ShardManifest, write_shard
from crystalforge.schemas import SAMPLES
from small_catalog import sample_rows
folder = Path(sys.argv[1])
for shard in range(2, 10_000):
    table = pa.Table.from_pylist(sample_rows("older", 225, shard, {ROWS}), schema=SAMPLES)
    record = write_shard(folder, f"space_group_number=225/shard-{{shard:05d}}.parquet", table)
    ShardManifest(folder).append({{**vars(record), "space_group_number": 225, "shard": shard, "accepted": 4}})
    print(shard, flush=True)
    time.sleep(0.01)
"""


def test_every_answer_is_of_whole_shards(tmp_path: Path) -> None:
    home = Home.locate(tmp_path / "home")
    folder = add_generation(home, "older", "2026-01-02T00:00:00Z", count=ROWS)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        counts = []
        for _ in range(6):
            with open_catalog(home) as catalog:
                counts.append(catalog.query("SELECT count(*) AS n FROM samples")["n"][0].as_py())
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    assert counts == sorted(counts)
    assert counts[0] < counts[-1], "the writer was writing"
    assert not any(count % ROWS for count in counts)
