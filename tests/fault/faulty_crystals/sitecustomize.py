"""Python runs this first in a process that has this folder on its path: it makes chosen crystals fault when checked.

``FAULTY_CRYSTALS`` is a JSON list of {"a": length a of the cell in Å, "fault": "raise" | "hang" | "crash" | "late"}.
The rest of the process is as it is.
"""

import ctypes
import importlib.abc
import importlib.machinery
import json
import os
import re
import sys

FAULTS = json.loads(os.environ.get("FAULTY_CRYSTALS", "[]"))
CHECKED = {"crystalforge.generation.checking": "least_contacts", "crystalforge.generation.sampling": "crystal_ids"}


def _hang():
    re.match(r"(a+)+b", "a" * 60)  # compiled code that never returns and holds Python's lock


def _crash():
    ctypes.string_at(0)  # a segmentation fault


def _raise():
    raise ArithmeticError("this crystal cannot be checked")


INFLICT = {"raise": _raise, "late": _raise, "hang": _hang, "crash": _crash}


def _faulty(function, is_late):
    def checked(crystals, *args, **kwargs):
        for fault in FAULTS:
            here = (fault["fault"] == "late") == is_late
            if here and (abs(crystals.lattice_parameters[:, 0] - fault["a"]) < 1e-5).any():
                INFLICT[fault["fault"]]()
        return function(crystals, *args, **kwargs)

    return checked


class _Finder(importlib.abc.MetaPathFinder):
    """Puts the faulty function into the module as soon as it is loaded."""

    def find_spec(self, name, path, target=None):
        if name not in CHECKED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        loader = spec.loader
        execute = loader.exec_module

        def exec_module(module):
            execute(module)
            function = getattr(module, CHECKED[name])
            setattr(module, CHECKED[name], _faulty(function, CHECKED[name] == "crystal_ids"))

        loader.exec_module = exec_module
        return spec


if FAULTS:
    sys.meta_path.insert(0, _Finder())
