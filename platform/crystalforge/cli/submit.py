"""``platform submit``: a command as a job of a cluster."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from crystalforge.cli.console import note, show_json
from crystalforge.cli.options import JsonOption

if TYPE_CHECKING:
    from crystalforge.jobs.submission import Job, Request, Submitter


def submit(
    context: typer.Context,
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND...", help="The command with its options, as without `submit`.")
    ],
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="Follow the job until it ends, and end with its exit code."),
    ] = True,
    again: Annotated[
        bool, typer.Option("--again", help="Submit once more what succeeded: for a queue that has new work.")
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="End the job of this command in good order; the same command goes on.")
    ] = False,
    retries: Annotated[
        int, typer.Option(min=0, help="How often to go on by itself when the node of the driver is lost.")
    ] = 0,
    driver_resources: Annotated[
        str | None,
        typer.Option(
            help="Of the driver, as CPU=1,driver=0.01: it runs where these are.",
            show_default="none: on a worker node if the head has no CPUs",
            metavar="KIND=N,KIND=N",
        ),
    ] = None,
    python: Annotated[
        str, typer.Option(help="Python of the cluster's machines that has crystalforge.", metavar="PROGRAM")
    ] = "python",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the id and the line that would be submitted; ask no cluster.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a command on the cluster of RAY_ADDRESS, from any machine that reaches its dashboard.

    The command is checked here and sent with what settings of this machine say of it; the home must be the same there.
    The same command finds its job: it follows one that runs, and goes on with one that failed or was stopped. Ctrl-C
    leaves the job running. Options of `submit` stand before the command.

    [dim]Examples:[/dim]

      platform submit generate --count 50000 --home /shared/home

      platform submit --retries 3 train-all --recipe paper --home /shared/home

      platform submit --stop train-all --recipe paper --home /shared/home

      platform submit --dry-run validate run --home /shared/home
    """
    from crystalforge.cli.submitted_command import request_of
    from crystalforge.jobs.submission import Submitter, explain, parse_resources

    resources = parse_resources([driver_resources]) if driver_resources else {}
    request = request_of(context, command, python=python, resources=resources)
    if dry_run:
        _show_request(request, as_json=as_json)
        return
    submitter = Submitter()
    if stop:
        job = _stop(submitter, request)
    else:
        job = submitter.submit(request, again=again)
        job = _follow(submitter, request, job, retries, quiet=as_json) if wait else job
    if as_json:
        show_json(dataclasses.asdict(job))
    else:
        typer.echo(explain(job))
    if wait and not stop and job.status != "SUCCEEDED":
        raise typer.Exit(job.exit_code or 1)


def _show_request(request: Request, *, as_json: bool) -> None:
    found = {
        "submission_id": request.submission_id,
        "entrypoint": request.entrypoint,
        "driver_resources": dict(request.resources),
        "variables": dict(request.variables),
        "dry_run": True,
    }
    if as_json:
        show_json(found)
        return
    typer.echo(f"{request.submission_id}\n  {request.entrypoint}")
    for name, value in request.variables.items():
        typer.echo(f"  {name}={value}")
    note("Nothing was submitted: this was a dry run.")


def _follow(submitter: Submitter, request: Request, job: Job, retries: int, *, quiet: bool) -> Job:
    """Follow a job to its end; one whose driver is lost goes on as often as was asked for.

    Args:
        submitter: the cluster.
        request: what was asked.
        job: as it was submitted or found.
        retries: how often.
        quiet: whether its log goes to stderr, as stdout is for JSON.
    """
    from crystalforge.jobs.submission import explain

    found = job.found
    while True:
        note(f"{'Found' if job.found else 'Submitted'} job {job.submission_id}, {job.status.lower()}.")
        try:
            job = submitter.follow(job.submission_id, lambda text: typer.echo(text, nl=False, err=quiet))
        except KeyboardInterrupt:
            note(f"Job {job.submission_id} goes on. The same command follows it again; with --stop it ends it.")
            raise
        if not job.lost or retries == 0:
            return dataclasses.replace(job, found=found)
        retries -= 1
        note(f"{explain(job)} It is submitted again.")
        job = submitter.submit(request)


def _stop(submitter: Submitter, request: Request) -> Job:
    from crystalforge.errors import UsageError

    tries = submitter.attempts(request.submission_id)
    if not tries:
        raise UsageError(
            f"No job {request.submission_id} on the cluster at {submitter.address}: it was never submitted."
        )
    job = tries[-1]
    if not job.ended:
        submitter.stop(job.submission_id)
        job = submitter.follow(job.submission_id, lambda _: None)
    return dataclasses.replace(job, found=True)
