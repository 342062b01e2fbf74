"""Options that several commands share, so that each looks the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crystalforge.home import HOME_VARIABLE

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar=HOME_VARIABLE,
        help="Home folder of datasets, trainings and generations.",
        show_default="./crystalforge-home",
        metavar="FOLDER",
    ),
]
"""Give it to ``Home.locate``; its default in a command is ``None``."""

JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")]
"""Its default in a command is ``False``."""
