"""The entry of every job that Ray itself runs: a command of `platform`, by a name that any installed Python has.

    ray job submit --address http://HEAD:8265 -- python -m crystalforge.jobs generate --count 50000 --home /shared/home

Ray tells it the cluster by ``RAY_ADDRESS``, so that it connects as each command does. `platform submit` writes that
line.
"""

from __future__ import annotations

from importlib.metadata import entry_points

if __name__ == "__main__":
    (program,) = entry_points(group="console_scripts", name="crystalforge")
    program.load()()
