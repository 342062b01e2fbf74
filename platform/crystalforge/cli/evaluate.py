"""``platform evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import add_row, new_table, note, show_dry_run, show_json, show_table
from crystalforge.cli.options import DryRunOption, HomeOption, JsonOption

if TYPE_CHECKING:
    from crystalforge.evaluation.evaluate import Evaluation

BY_GROUP = (
    "percolated",
    "valid_pgcgm",
    "smact",
    "distinct",
    "novel_formula",
    "template_distance",
    "element_distance",
    "wasserstein_ratio_log_volume_per_atom",
    "wasserstein_ratio_contact_ratio",
    "match_of_first_hit",
    "rediscovered",
)
"""Metrics of the table by space group; the file has all of them."""


def evaluate(
    generation: Annotated[
        str | None,
        typer.Argument(help="Generation, by identifier; the newest by default.", autocompletion=complete.generations),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Real crystals to judge by: a Parquet file, a CSV of CIFs or a folder of CIFs. By default the "
            "validation part of the training's dataset.",
            metavar="FILE",
        ),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="Generation that stands beside it; may be given again.", autocompletion=complete.generations),
    ] = None,
    validation_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the dataset's formulas that is set aside.")
    ] = 0.1,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many samples of each space group; all by default.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Parquet file of the figures; by default in the generation's folder.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that compare structures; one for each CPU by default.")
    ] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Log the figures to MLflow.")] = True,
    dry_run: DryRunOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a generation: every metric beside its nulls, its baselines and real crystals, with 95 % intervals.

    All samples count, also the rejected ones. What each metric is, and what it is divided by: docs/evaluation.md.

    [dim]Examples:[/dim]

      platform evaluate

      platform evaluate GENERATION --baseline DONORS --baseline SWAPS --limit 1000

      platform evaluate --reference my_crystals.parquet --json

      platform evaluate --limit 1000 --dry-run
    """
    from crystalforge.cli.progress import progress
    from crystalforge.evaluation.evaluate import evaluate as run
    from crystalforge.evaluation.plan import plan_evaluation
    from crystalforge.evaluation.record import record
    from crystalforge.home import Home

    where = Home.locate(home, store=True)
    plan = plan_evaluation(
        where,
        generation,
        reference=reference,
        validation_share=validation_share,
        baselines=baseline or (),
        limit=limit,
        output=output,
    )
    if dry_run:
        from crystalforge.cli.dry_results import dry_evaluation

        show_dry_run(dry_evaluation(where, plan), as_json=as_json)
        return
    with progress("sources judged", total=0) as update:
        found = run(where, plan, n_processes=processes, progress=lambda done, total, name: update(done, name, total))
    if track:
        record(where, found)
    if as_json:
        show_json(_summary(found))
        return
    _show(found)


def _summary(found: Evaluation) -> dict[str, object]:
    return {
        "generation_id": found.drawn.generation_id,
        "reference": found.real.reference,
        "held_out": found.real.held_out,
        "file": str(found.path),
        "notes": found.notes,
        "seconds": round(found.seconds, 3),
        "figures": found.figures.drop_columns(["generation_id", "reference", "held_out"]).to_pylist(),
    }


def _show(found: Evaluation) -> None:
    rows = found.figures.to_pylist()
    _show_pooled(found, [row for row in rows if row["space_group_number"] is None])
    _show_by_group([row for row in rows if row["source"] == "generated" and row["metric"] in BY_GROUP])
    typer.echo(
        f"Generation {found.drawn.generation_id}: {len(found.drawn.samples)} samples against "
        f"{len(found.real.set_aside)} real crystals of {found.real.reference}, judged in {found.seconds:.0f} s. "
        f"All figures with their definitions: {found.path}"
    )
    for text in found.notes:
        note(f"Note: {text}")


def _show_pooled(found: Evaluation, rows: list[dict[str, object]]) -> None:
    """One line for each metric, one column for each source; the interval stands behind the generation's figure."""
    columns = [column for name in found.sources for column in ((name, "95 %", "n") if name == "generated" else (name,))]
    table = new_table("All space groups pooled", "metric", *columns, "unit", right=tuple(columns))
    by_metric: dict[str, dict[str, dict[str, object]]] = {}
    for row in rows:
        by_metric.setdefault(str(row["metric"]), {})[str(row["source"])] = row
    for metric, of_sources in by_metric.items():
        cells: list[object] = []
        for name in found.sources:
            row = of_sources.get(name, {})
            cells.append(_number(row.get("value")))
            if name == "generated":
                cells += [_interval(row), row.get("n")]
        add_row(table, metric, *cells, next(iter(of_sources.values()))["unit"])
    show_table(table)


def _show_by_group(rows: list[dict[str, object]]) -> None:
    """The generation's main figures, one column for each space group."""
    groups = sorted({int(str(row["space_group_number"])) for row in rows if row["space_group_number"] is not None})
    cells = {(row["metric"], row["space_group_number"]): row for row in rows}
    names = tuple(str(number) for number in groups)
    table = new_table("The generation by space group", "metric", *names, right=names)
    for metric in BY_GROUP:
        add_row(table, metric, *(_number(cells.get((metric, number), {}).get("value")) for number in groups))
    show_table(table)


def _number(value: object) -> str | None:
    return f"{value:.3g}" if isinstance(value, float) else None


def _interval(row: dict[str, object]) -> str | None:
    low, high = _number(row.get("low")), _number(row.get("high"))
    return f"{low} to {high}" if low and high else None
