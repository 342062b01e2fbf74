"""``platform validate judge`` and ``calibrate``: what the energies of the queue say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crystalforge.cli.console import add_row, new_table, note, show_json, show_table
from crystalforge.cli.options import CorrectionOption, HomeOption, JsonOption, ReferenceOption
from crystalforge.home import Home

if TYPE_CHECKING:
    from crystalforge.screening.hull import ReferenceHull
    from crystalforge.validation.ledger import Ledger


def judge(
    reference: ReferenceOption = None,
    correction: CorrectionOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put all computed crystals on the hull of a reference; those above 0.1 eV/atom are unstable.

    Formation energies count from elements by the same recipe. `run` does the same as it goes, for crystals that stand
    on no hull yet.

    [dim]Examples:[/dim]

      platform validate judge

      platform validate judge --reference hull.parquet --correction "PBE, uncorrected"

      platform validate judge --json
    """
    from crystalforge.validation.export import export_ledger
    from crystalforge.validation.stability import judge as put_on_hull

    place = Home.locate(home)
    hull = hull_of(place, reference, correction)
    with open_ledger(place) as ledger:
        changed = put_on_hull(ledger, hull, again=True)
        export_ledger(ledger)
        rows = [dict(row) for row in ledger.rows(_STABILITY_SQL)]
    if as_json:
        show_json({"changed": changed, "reference": hull and hull.reference.name, "calculations": rows})
        return
    drawn = new_table("", *rows[0], right=tuple(rows[0])[2:]) if rows else new_table("", "calculations")
    for row in rows:
        add_row(drawn, *row.values())
    show_table(drawn)
    note(f"{changed:,} changed, against {hull.reference.name}." if hull else f"{changed:,} changed; no reference.")


def calibrate(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Compare the screening with the calculations, by space group: error, rank, and how much the potential flatters.

    The same rows are in SQL, as the view `calibrations`, and crystal by crystal in `calibration_pairs`; both follow
    the queue while it runs.

    [dim]Examples:[/dim]

      platform validate calibrate

      platform validate calibrate --json
    """
    from crystalforge.catalog.query import open_catalog

    with open_catalog(Home.locate(home)) as catalog:
        rows = catalog.query(_CALIBRATION_SQL).to_pylist()
    if as_json:
        show_json(rows)
        return
    if not rows:
        note("No crystal was both screened and computed: `platform screen` and `platform validate run` make some.")
        return
    drawn = new_table("", *rows[0], right=tuple(rows[0])[3:])
    for row in rows:
        add_row(drawn, *row.values())
    show_table(drawn)


_STABILITY_SQL = """
SELECT r.name AS recipe, formula, space_group_number, state, formation_energy_per_atom, energy_above_hull,
  missing_elements, systems_without_reference
FROM calculations JOIN recipes r USING (recipe_hash)
WHERE element IS NULL AND state IN ('validated', 'unstable')
ORDER BY recipe, energy_above_hull IS NULL, energy_above_hull
"""


def hull_of(home: Home, path: Path | None, correction: str | None) -> ReferenceHull | None:
    """The hull of a file, or of the newest dataset; None where there is neither."""
    from crystalforge.errors import DatasetNotFoundError
    from crystalforge.screening.hull import ReferenceHull
    from crystalforge.screening.reference import choose_reference

    try:
        return ReferenceHull(choose_reference(home, path, correction))
    except DatasetNotFoundError:
        return None


_CALIBRATION_SQL = """
SELECT recipe, potential, source, space_group_number, n, mean_error, mean_absolute_error,
  mean_absolute_error_of_median, rank_correlation, n_nearly_stable_screened, n_nearly_stable_computed, flattery
FROM calibrations ORDER BY recipe, potential, source, space_group_number NULLS FIRST
"""


def open_ledger(home: Home) -> Ledger:
    """The ledger of a home that has one: only `enqueue` begins one."""
    from crystalforge.errors import UsageError
    from crystalforge.validation.ledger import LEDGER_FILE, Ledger

    if not (home.validations / LEDGER_FILE).is_file():
        raise UsageError(f"The home {home.path} has no queue yet: expected `platform validate enqueue` to begin one.")
    return Ledger(home.validations)
