"""Options that several commands share, so that each looks the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crystalforge.cli import complete
from crystalforge.home import HOME_VARIABLE

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar=HOME_VARIABLE,
        help="Home of datasets, trainings and generations: a folder, or s3://bucket/prefix.",
        show_default="./crystalforge-home",
        metavar="FOLDER",
    ),
]
"""Give it to ``Home.locate``; its default in a command is ``None``."""

JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")]
"""Its default in a command is ``False``."""

HostOption = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on; there is no password.")
]
"""Its default in a command is ``127.0.0.1``."""

FreePortOption = Annotated[
    int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
]

ASKED = "What is asked of the crystals"
"""Title of the options that choose by elements and the like."""

AGAINST = "What they are judged against"
"""Title of the options of a hull."""

MAX_SEED = 2**63 - 1
"""Seeds stand in a column of 64-bit integers."""

SpaceGroupsOption = Annotated[
    str | None,
    typer.Option(
        "--space-groups",
        help="Space groups, as 225,62; all by default.",
        metavar="N,N",
        autocompletion=complete.space_groups,
    ),
]
"""Give it to ``parse_space_groups``."""


ElementsOption = Annotated[
    str | None,
    typer.Option(
        "--elements", help="Elements of every crystal, * is any: Li,*,O.", metavar="X,*,X", rich_help_panel=ASKED
    ),
]
"""Its default in a command is ``None``."""

ExcludeElementsOption = Annotated[
    str | None,
    typer.Option("--exclude-elements", help="Elements of no crystal: Pb,Hg.", metavar="X,X", rich_help_panel=ASKED),
]
"""Its default in a command is ``None``."""

ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        help="Parquet file of formation energies, for the hull.",
        show_default="the newest dataset",
        metavar="FILE",
        rich_help_panel=AGAINST,
    ),
]
"""Its default in a command is ``None``."""

CorrectionOption = Annotated[
    str | None,
    typer.Option(
        "--correction",
        help="Functional and corrections of the reference's energies.",
        show_default="not stated",
        rich_help_panel=AGAINST,
    ),
]
"""Its default in a command is ``None``."""

DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Show the plan, its shards and the expected time; do and write nothing."),
]
"""Its default in a command is ``False``."""


def parse_space_groups(text: str | None) -> list[int] | None:
    """Read ``225,62``; None stays None.

    Raises:
        UsageError: it is something else than numbers and commas.
        UnknownSpaceGroupError: a number is not 1 to 230.
    """
    from crystalforge.errors import UsageError

    if text is None:
        return None
    try:
        numbers = [int(number) for number in text.split(",") if number.strip()]
    except ValueError as error:
        raise UsageError(f"--space-groups '{text}': expected numbers joined by commas, as 225,62 ({error}).") from error
    if not numbers:
        raise UsageError("--space-groups is empty: expected numbers joined by commas, as 225,62.")

    from crystalforge.symmetry import hall_number_of

    for number in numbers:
        hall_number_of(number)
    return numbers
