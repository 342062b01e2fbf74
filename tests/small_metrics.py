"""Work of every kind in a home, for its figures: epochs of a training, a screening, and a queue."""

from __future__ import annotations

from small_queue import crystals, stand_in_recipe, work_off
from small_screening import add_screening

from crystalforge.files import append_line, write_json
from crystalforge.home import SCREENING_RECORD, Home
from crystalforge.validation.export import export_ledger
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.requests import Request, change, enqueue


def add_work(home: Home) -> None:
    """Add it to a home with one training of space group 62 and others.

    The training ended two epochs in group 62; one of two crystals of the screening is relaxed; of the calculations by
    the recipe ``good`` some are done, some ready and one paused, those by ``bad`` wait for their next attempt.
    """
    (training,) = home.trainings.iterdir()
    for epoch in (1, 2):
        terms = {"accepted_share": epoch / 4, "accepted_share_null": 0.1, "crystals_per_second": 7.5, "other": 1.0}
        line = {"epoch": epoch, "generator_steps": 50 * epoch, "time": 1e9 + epoch, "terms": terms}
        append_line(training / "space_group_number=62" / "progress.jsonl", line)
    row = {"source_id": "one", "crystal_id": "one", "formula": "NaCl", "space_group_number": 225}
    add_screening(home, "screened", [row | {"energy_above_hull": 0.0, "formation_energy_per_atom": -1.0}])
    plan = {"screening_id": "screened", "count": 2, "potential": "chgnet"}
    write_json(home.screenings / "screened" / SCREENING_RECORD, plan)
    with Ledger(home.validations) as ledger:
        good, bad = stand_in_recipe("good"), stand_in_recipe("bad", behaviour="fail")
        enqueue(ledger, crystals(3), good)
        work_off(ledger)
        enqueue(ledger, crystals(2, "Y"), bad)
        work_off(ledger)
        enqueue(ledger, crystals(2, "Z"), good)
        (last,) = ledger.rows("SELECT max(calculation_id) FROM calculations")[0]
        change(ledger, Request.PAUSE, [last])
        export_ledger(ledger)
