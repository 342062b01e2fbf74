"""The command line ``platform``: parse, call one function, show what it gave. Nothing heavy is imported at start."""

from crystalforge.cli.app import main

__all__ = ["main"]
