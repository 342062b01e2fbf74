"""How long to wait for a server. Apart from ``transport``, which needs ``requests``."""

from __future__ import annotations

from dataclasses import dataclass

from crystalforge.errors import UsageError


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to ask it.

    Attributes:
        timeout: seconds until an answer must begin, and between two parts of it.
        attempts: tries of one request in all.
        first_wait: seconds before the second try; each wait after it is twice as long.
        longest_wait: seconds; of a wait that doubles.
        longest_retry_after: seconds that a server may ask for by ``Retry-After``; beyond it the build stops.
        longest_answer: seconds for the whole of one answer.
        pause: least seconds between two requests, so that nobody's server is stormed.
    """

    timeout: float = 60.0
    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_retry_after: float = 300.0
    longest_answer: float = 600.0
    pause: float = 0.1

    def __post_init__(self) -> None:
        if self.timeout <= 0 or self.attempts < 1:
            raise UsageError(
                f"Expected a time-out above 0 s and at least one attempt, got {self.timeout} s and {self.attempts}."
            )
