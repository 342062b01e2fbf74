"""Ray's token: who has it may run code on the cluster. It is used where there is one, and never shown or logged.

Ray has asked for tokens since 2.52, where they are turned on; a local Ray asks by itself since 2.59. A command that is
given an address does not use the token that it finds: that is done here, so that one way to connect serves both.
"""

from __future__ import annotations

import os
from pathlib import Path

from crystalforge.errors import ClusterError

MODE = "RAY_AUTH_MODE"
TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105 - the variable's name
TOKEN_PATH = "RAY_AUTH_TOKEN_PATH"  # noqa: S105 - the variable's name
DEFAULT_FILE = Path(".ray") / "auth_token"
"""In the user's home folder."""


def token_place() -> str | None:
    """Where Ray would take a token from, in its own order; None if there is none."""
    if os.environ.get(TOKEN):
        return f"the variable {TOKEN}"
    if path := os.environ.get(TOKEN_PATH):
        return path
    default = Path.home() / DEFAULT_FILE
    return str(default) if default.is_file() else None


def use_token(*, make: bool) -> None:
    """Turn tokens on, unless ``RAY_AUTH_MODE`` says otherwise.

    Args:
        make: whether Ray may make a token that is missing, as for a Ray that ends with this command. A cluster has
            one already: without it tokens stay off, and a cluster that asks for one refuses.

    Raises:
        ClusterError: tokens are on and there is none; Ray itself would end the process.
    """
    place = token_place()
    if MODE not in os.environ and (make or place):
        os.environ[MODE] = "token"
        import ray

        ray._raylet.Config.initialize("")  # Ray has read its variables when it was imported; there is no public way
    if os.environ.get(MODE, "").lower() == "token":
        _check(place, make)


def _check(place: str | None, make: bool) -> None:
    if place is None and not make:
        raise ClusterError(
            f"{MODE}=token, and there is no token. Copy that of the cluster into ~/{DEFAULT_FILE}, or name its file by "
            f"{TOKEN_PATH}; `ray get-auth-token` shows it on the head."
        )
    if place and not os.environ.get(TOKEN):
        try:
            empty = not Path(place).read_text().strip()
        except OSError as error:
            raise ClusterError(f"The token of Ray cannot be read from {place}: {error.strerror}.") from error
        if empty:
            raise ClusterError(
                f"{place} is empty: expected the token of Ray. `ray get-auth-token --generate` makes one."
            )


def refused(where: str) -> str:
    """What to do about a cluster that refused this process; for an error's text."""
    place = token_place()
    mode = os.environ.get(MODE)
    if mode and mode.lower() != "token":
        why = f"{MODE}={mode} turns tokens off here"
        repair = f"Unset it, and give the cluster's token by {TOKEN_PATH} or {TOKEN}"
    elif place is None:
        why = "there is none here"
        repair = f"Copy it from the cluster into ~/{DEFAULT_FILE}, or name its file by {TOKEN_PATH}"
    else:
        why = f"that of {place} is another"
        repair = f"Copy the cluster's token there, or name its file by {TOKEN_PATH}"
    return f"The cluster {where} asks for its token, and {why}. {repair}; `ray get-auth-token` shows it on the head."
