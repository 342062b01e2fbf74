"""The error tree: every error has an exit code, and the drawing at the top of the module shows them all."""

from __future__ import annotations

import inspect

from crystalforge import errors


def _all_errors() -> list[type[errors.CrystalforgeError]]:
    return [
        value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, errors.CrystalforgeError)
    ]


def test_every_error_stands_in_the_drawing() -> None:
    assert errors.__doc__ is not None
    assert [error.__name__ for error in _all_errors() if error.__name__ not in errors.__doc__] == []


def test_exit_codes() -> None:
    codes = {error.__name__: error.exit_code for error in _all_errors()}
    usage = {"UsageError", "UnknownSpaceGroupError", "RecipeError", "SettingsError", "CompositionError"}
    assert all((code == 2) == (name in usage) for name, code in codes.items())
    assert codes["BusyError"] == 75
    assert {code for name, code in codes.items() if name not in usage | {"BusyError"}} == {1}
