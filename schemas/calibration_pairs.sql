-- Crystals that were both screened and computed, against the same hull: the potential's energies beside the calculation's.
-- A crystal that a potential relaxed more than once counts once, with its lowest energy.
CREATE VIEW calibration_pairs AS
SELECT
  v.calculation_id, v.crystal_id, v.formula, v.recipe, v.recipe_hash, s.potential, s.potential_version,
  v.hull_reference, s.source, v.space_group_number, v.structure,
  s.formation_energy_per_atom AS screened_formation_energy_per_atom, v.formation_energy_per_atom,
  s.energy_above_hull AS screened_energy_above_hull, v.energy_above_hull
FROM validations v
JOIN stabilities s ON s.crystal_id = v.crystal_id AND s.reference || ' (' || s.correction || ')' = v.hull_reference
WHERE v.energy_above_hull IS NOT NULL AND s.energy_above_hull IS NOT NULL
QUALIFY row_number() OVER (
  PARTITION BY v.calculation_id, s.source, s.potential, s.potential_version
  ORDER BY s.energy_above_hull, s.relaxation_id
) = 1;
