"""``platform screen``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import json_of, note, note_nodes, show_dry_run, show_json
from crystalforge.cli.options import (
    AGAINST,
    MAX_SEED,
    CorrectionOption,
    DryRunOption,
    HomeOption,
    JsonOption,
    ReferenceOption,
)

if TYPE_CHECKING:
    from crystalforge.screening.judging import Judgement
    from crystalforge.screening.plan import ScreeningPlan

WHICH = "Which crystals"
HOW = "How they are relaxed"


def screen(
    source: Annotated[
        str,
        typer.Option(
            help="candidates; samples: all that were drawn, rejected or not; materials: real crystals, which fit the "
            "scale; or a null: noise, random_triples, real_cells.",
            rich_help_panel=WHICH,
            autocompletion=complete.one_of(complete.SCREENED),
        ),
    ] = "candidates",
    generation: Annotated[
        str | None,
        typer.Option(
            help="Only of this generation; samples and nulls need it.",
            rich_help_panel=WHICH,
            autocompletion=complete.generations,
        ),
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="SQL condition on the crystals.", metavar="SQL", rich_help_panel=WHICH)
    ] = None,
    order_by: Annotated[
        str | None,
        typer.Option(help="SQL order; at random by default.", metavar="SQL", rich_help_panel=WHICH),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most crystals.", rich_help_panel=WHICH)] = 100,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of the random draw.", rich_help_panel=WHICH)] = 0,
    potential: Annotated[
        str,
        typer.Option(
            help="chgnet, mace, mattersim, orb, sevennet, emt, or an installed one.",
            rich_help_panel=HOW,
            autocompletion=complete.potentials,
        ),
    ] = "chgnet",
    model: Annotated[
        Path | None, typer.Option(help="File of weights, for potentials that bring none.", rich_help_panel=HOW)
    ] = None,
    max_force: Annotated[float, typer.Option(min=1e-6, help="Converged below (eV/Å).", rich_help_panel=HOW)] = 0.05,
    max_steps: Annotated[int, typer.Option(min=1, help="Steps of each of the two stages.", rich_help_panel=HOW)] = 300,
    max_seconds: Annotated[float, typer.Option(min=0.1, help="Time of one crystal (s).", rich_help_panel=HOW)] = 120.0,
    shard_size: Annotated[int, typer.Option(min=1, help="Crystals in one file.", rich_help_panel=HOW)] = 20,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes; 1 works without Ray.", show_default="one for each CPU", rich_help_panel=HOW
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(help="Continue this screening with the plan it has.", autocompletion=complete.screenings),
    ] = None,
    judge_only: Annotated[
        bool, typer.Option("--judge-only", help="With --resume: relax no more, judge what is relaxed.")
    ] = False,
    reference: ReferenceOption = None,
    correction: CorrectionOption = None,
    elements: Annotated[
        Path | None, typer.Option(help="Parquet file of elemental energies of its source.", rich_help_panel=AGAINST)
    ] = None,
    dry_run: DryRunOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Relax crystals with a machine-learned potential and judge them against a reference hull.

    The same command continues an interrupted screening. Screen real crystals once for each potential: they fit the
    scale between its energies and the reference's, and show the error that is left.

    [dim]Examples:[/dim]

      platform screen --source materials --limit 200 --reference hull.parquet --elements elements.parquet

      platform screen --limit 1000 --reference hull.parquet --dry-run

      platform screen --source samples --generation ID --limit 1000 --reference hull.parquet

      platform screen --where "space_group_number = 225 AND n_atoms_primitive <= 8" --limit 50
    """
    from crystalforge.cli.progress import progress
    from crystalforge.home import Home
    from crystalforge.steps.screenings import screen as run

    place = Home.locate(home, store=True)
    choices: dict[str, Any] = {
        "source": source,
        "generation": generation,
        "where": where,
        "order_by": order_by,
        "limit": limit,
        "seed": seed,
        "potential": potential,
        "model": model,
        "max_force": max_force,
        "max_steps": max_steps,
        "max_seconds": max_seconds,
        "shard_size": shard_size,
    }
    if dry_run:
        from crystalforge.cli.dry_runs import dry_screening

        show_dry_run(dry_screening(place, choices, resume=resume, workers=workers), as_json=as_json)
        return
    with progress("relaxations", 0) as update:
        done = run(
            **choices,
            workers=workers,
            resume=resume,
            judge_only=judge_only,
            reference=reference,
            correction=correction,
            elements=elements,
            home=place,
            on_start=_announce,
            progress=lambda relaxed, total: update(relaxed, total=total),
        )
    summary, found = done.screening, done.hull
    note_nodes(summary.nodes)
    if as_json:
        show_json({"screening": json_of(summary), "hull": json_of(found)})
        return
    ends = ", ".join(f"{count} {status}" for status, count in summary.by_status.items())
    typer.echo(f"Screening {summary.screening_id}: {summary.rows} relaxations in {summary.seconds:.0f} s; {ends}.")
    for line in _lines(found):
        typer.echo(line)
    if done.generation_id and found.scale:
        typer.echo(f"Stable, unique and novel of all that were drawn: `platform stability {summary.screening_id}`.")


def _announce(plan: ScreeningPlan) -> None:
    note(f"Screening {plan.screening_id}: {plan.count} of {plan.source} by {plan.potential} {plan.potential_version}.")


def _lines(found: Judgement) -> list[str]:
    """What the hull says, with all that it does not know."""
    if found.scale is None:
        return [
            f"No energy above hull: nothing leads from this potential to the reference {found.reference} yet. Run "
            "`platform screen --source materials` with the same reference, or give --elements."
        ]
    lines = [
        f"Against {found.reference} ({found.correction}): of {found.n_judged} judged, {found.n_stable} at or below the "
        f"hull, {found.n_nearly_stable} within 0.1 eV/atom.",
        f"Scale: {found.scale.method}" + _error_of(found.scale),
    ]
    if found.n_with_gaps:
        lines.append(f"{found.n_with_gaps} lie in systems where the reference has no compound: theirs may be too low.")
    lines += [f"{count} not judged: no energy of {names}." for names, count in found.missing_terminals.items()]
    return lines


def _error_of(scale: Any) -> str:
    if scale.mean_absolute_error is None:
        return "; its error was not measured. Run `platform screen --source materials` to measure it."
    return (
        f" ({scale.n_crystals}); error of formation energies {scale.mean_absolute_error:.3f} eV/atom mean absolute, "
        f"{scale.median_absolute_error:.3f} median, {scale.mean_error:+.3f} mean, of {scale.n_judged} left out in turn."
    )
