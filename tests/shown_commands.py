"""What the documents show: the commands of their shell blocks and of their text, their Python, and their links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:platform|crystalforge|make|pip) [^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
PROGRAMS = ("platform", "crystalforge", "make", "pip", "cd", "git", "export", "python", "jupyter")
"""A block without a language that begins with one of these is a shell's."""


AND = "\0and"
"""Stands for a shell's && while words are split."""


@dataclass(frozen=True)
class Call:
    """One command of a line.

    Attributes:
        words: as a shell splits it, without the folder of the environment.
        stdin: file that is read.
        stdout: file that is written.
    """

    words: list[str]
    stdin: str | None
    stdout: str | None


def _call(words: list[str]) -> Call:
    files: dict[str, str | None] = {"<": None, ">": None}
    for sign in files:
        if sign in words:
            at = words.index(sign)
            files[sign] = words[at + 1]
            words = words[:at] + words[at + 2 :]
    return Call([words[0].removeprefix(".venv/bin/"), *words[1:]], files["<"], files[">"])


@dataclass(frozen=True)
class Shown:
    """A command line and where it stands."""

    document: str
    line: str

    @property
    def words(self) -> list[str]:
        """Of its first command."""
        return self.calls[0].words

    @property
    def calls(self) -> list[Call]:
        """The commands of the line, one after another."""
        words = shlex.split(self.line.removeprefix("$ ").replace(" && ", f" {AND} "), comments=True)
        parts: list[list[str]] = [[]]
        for word in words:
            if word == AND:
                parts.append([])
            else:
                parts[-1].append(word)
        return [_call(part) for part in parts]


@cache
def documents() -> tuple[Path, ...]:
    """Every page of the repository but the log of changes, which shows what once was."""
    found = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("infra/**/*.md")]
    found += REPOSITORY.glob("platform/crystalforge/**/*.md")
    return tuple(sorted(path for path in found if path.name != "CHANGELOG.md"))


def name_of(path: Path) -> str:
    """A document as the repository names it."""
    return path.relative_to(REPOSITORY).as_posix()


def blocks(path: Path) -> Iterator[tuple[str, str]]:
    """Language and content of every fenced block; one without a language that begins with a program is a shell's."""
    for language, content in FENCE.findall(path.read_text(encoding="utf-8")):
        words = content.replace("$ ", "", 1).split()
        yield (language or ("shell" if words and words[0] in PROGRAMS else "")), content


def shell_lines(path: Path) -> Iterator[Shown]:
    """Every command of the shell blocks; a line with an open quote or a backslash goes on in the next."""
    for language, content in blocks(path):
        if language not in ("shell", "sh", "bash", "console"):
            continue
        pending = ""
        for line in content.splitlines():
            pending = f"{pending.removesuffix(chr(92))}\n{line}" if pending else line
            if pending.endswith("\\") or not _is_closed(pending):
                continue
            if pending.strip() and not pending.lstrip().startswith("#"):
                yield Shown(name_of(path), pending.strip())
            pending = ""
        assert not pending, f"{name_of(path)}: a quote is never closed: {pending}"


def _is_closed(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True


def inline_commands(path: Path) -> Iterator[Shown]:
    """Commands named within the text, often without all they need."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for command in INLINE.findall(text):
        yield Shown(name_of(path), command.replace("\n", " "))


def links(path: Path) -> Iterator[str]:
    """Targets of the links, but those within code."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", path.read_text(encoding="utf-8")))
    yield from LINK.findall(text)


def anchors(path: Path) -> set[str]:
    """Names by which links reach the headings of a page, as GitHub makes them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    names: list[str] = []
    for heading in HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        again = names.count(name)
        names.append(name)
        if again:
            names.append(f"{name}-{again}")
    return set(names)
