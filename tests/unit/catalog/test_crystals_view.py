"""The view ``crystals``: candidates and real crystals, each with the stability that was found for it."""

from __future__ import annotations

from small_screening import add_screening

from crystalforge.catalog.query import open_catalog
from crystalforge.home import Home

CUBIC, ORTHORHOMBIC = f"225{0:029x}", f"062{0:029x}"


def test_candidates_and_real_crystals_stand_in_one_table(catalog_home: Home) -> None:
    sql = "SELECT source, count(*) AS n, count(DISTINCT source_id) AS names FROM crystals GROUP BY ALL ORDER BY ALL"
    with open_catalog(catalog_home) as catalog:
        assert catalog.query(sql).to_pylist() == [
            {"source": "candidates", "n": 10, "names": 10},
            {"source": "materials", "n": 3, "names": 3},
        ]
        known = "SELECT DISTINCT source, space_group_number, is_known, anonymous_formula FROM crystals ORDER BY ALL"
        assert [tuple(row.values()) for row in catalog.query(known).to_pylist()] == [
            ("candidates", 62, False, "ABX"),
            ("candidates", 225, True, "ABX"),
            ("materials", 225, True, "ABX"),
        ]


def test_the_lowest_energy_brings_what_belongs_to_it(catalog_home: Home) -> None:
    """Also where that is null: another judgement's text would be a lie."""
    of_one = {"crystal_id": CUBIC, "source_id": "older-225-0"}
    add_screening(
        catalog_home,
        "s1",
        [
            of_one | {"energy_above_hull": 0.2, "systems_without_reference": "Al-Li", "formation_energy_per_atom": 1.0},
            of_one | {"energy_above_hull": 0.1, "systems_without_reference": None, "formation_energy_per_atom": None},
            of_one | {"energy_above_hull": None, "crystal_id": ORTHORHOMBIC},
        ],
    )
    columns = "crystal_id, energy_above_hull, formation_energy_per_atom, systems_without_reference, energy_from"
    sql = f"SELECT {columns} FROM crystals WHERE source = 'candidates' AND energy_from IS NOT NULL"
    with open_catalog(catalog_home) as catalog:
        (row,) = catalog.query(sql).to_pylist()
    assert tuple(row.values()) == (CUBIC, 0.1, None, None, "chgnet, hull")


def test_kept_rows_are_those_of_the_view(catalog_home: Home) -> None:
    sql = "SELECT * FROM crystals ORDER BY source, source_id"
    kind = "SELECT table_type FROM information_schema.tables WHERE table_name = 'crystals'"
    with open_catalog(catalog_home) as plain, open_catalog(catalog_home, kept=["crystals"]) as kept:
        assert kept.query(kind)["table_type"].to_pylist() == ["BASE TABLE"]
        assert kept.query(sql) == plain.query(sql)
        kept.close()
        assert kept.query(sql) == plain.query(sql), "a process that took the place of another one"
