"""``platform compact``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import json_of, note, show_dry_run, show_json
from crystalforge.cli.options import DryRunOption, HomeOption, JsonOption

if TYPE_CHECKING:
    from crystalforge.catalog.compaction import CompactionSummary

DEFAULT_ROWS = 1_000_000
"""As ``catalog.compaction_plan.DEFAULT_ROWS``."""


def compact(
    generation: Annotated[
        str, typer.Argument(metavar="GENERATION", help="By identifier.", autocompletion=complete.generations)
    ],
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=1, help="Most rows of a file.")] = DEFAULT_ROWS,
    dry_run: DryRunOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Merge the many files of a generation into few: the same rows in the same order.

    SQL, export, `generate --resume` and `verify` read either. Files that are replaced are removed once nobody reads
    them. A generation that is being drawn is refused (exit code 75).

    [dim]Examples:[/dim]

      platform compact 94b1055ab0 --dry-run

      platform compact 94b1055ab0

      platform compact 94b1055ab0 --rows 250000 --json
    """
    from crystalforge.catalog.compaction import compact_generation, require_compactable
    from crystalforge.catalog.compaction_plan import plan_compaction
    from crystalforge.catalog.shards import ShardManifest
    from crystalforge.cli.progress import progress
    from crystalforge.evaluation.generations import find_generation
    from crystalforge.home import Home

    where = Home.locate(home)
    folder = find_generation(where, generation).folder
    plan = plan_compaction(ShardManifest(folder).records(), rows)
    if dry_run:
        from crystalforge.cli.dry_runs import dry_compaction

        require_compactable(folder)
        show_dry_run(dry_compaction(folder, plan, rows), as_json=as_json)
        return
    with progress("rows", sum(bundle.rows for bundle in plan.bundles)) as update:
        summary = compact_generation(folder, rows_of_a_bundle=rows, progress=update)
    if as_json:
        show_json(json_of(summary))
    else:
        _show(summary)


def _show(summary: CompactionSummary) -> None:
    if summary.bundles_written:
        typer.echo(
            f"Generation {summary.generation_id}: {summary.rows:,} rows, {summary.files_before:,} files before, "
            f"{summary.files_after:,} now; {summary.bytes_before / 1e6:,.1f} MB before, "
            f"{summary.bytes_after / 1e6:,.1f} MB now."
        )
    else:
        typer.echo(
            f"Generation {summary.generation_id}: nothing to merge; {summary.rows:,} rows in {summary.files_after:,} "
            "files."
        )
    if summary.files_still_read:
        note(
            f"{summary.files_still_read:,} replaced files are still read by another command, and stay. "
            f"`platform compact {summary.generation_id}` removes them when it has ended."
        )
