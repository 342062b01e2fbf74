-- Every candidate and every real crystal in one table, with what screening and calculations said of it. A crystal that
-- was judged more than once has its lowest energy above hull; a calculation of the stand-in, which invents energies, is
-- left out.
CREATE VIEW crystals AS
WITH known AS (
  SELECT DISTINCT reduced_formula, space_group_number FROM materials
),
screened AS (
  SELECT
    crystal_id, energy_above_hull, formation_energy_per_atom, potential || ', ' || reference AS energy_from,
    systems_without_reference
  FROM stabilities
  WHERE crystal_id IS NOT NULL AND energy_above_hull IS NOT NULL
  QUALIFY row_number() OVER (PARTITION BY crystal_id ORDER BY energy_above_hull, relaxation_id) = 1
),
computed AS (
  SELECT crystal_id, state, energy_above_hull, recipe || ', ' || engine AS computed_by
  FROM validations
  WHERE engine <> 'stand-in'
  QUALIFY row_number() OVER (PARTITION BY crystal_id ORDER BY energy_above_hull NULLS LAST, calculation_id) = 1
),
both_sources AS (
  SELECT
    'candidates' AS source, sample_id AS source_id, generation_id AS origin, candidates.crystal_id,
    candidates.space_group_number, hall_number, elements, base_frac_coords, wyckoff_letters, multiplicities,
    a, b, c, alpha, beta, gamma, n_atoms_conventional, n_atoms_primitive, candidates.formula,
    candidates.reduced_formula, candidates.chemical_system, volume_per_atom, density, min_contact_ratio,
    screened.formation_energy_per_atom, screened.energy_above_hull, screened.energy_from,
    screened.systems_without_reference, known.reduced_formula IS NOT NULL AS is_known
  FROM candidates
  LEFT JOIN screened USING (crystal_id)
  LEFT JOIN known
    ON known.reduced_formula = candidates.reduced_formula
    AND known.space_group_number = candidates.space_group_number
  UNION ALL
  SELECT
    'materials', material_id, dataset_id, crystal_id, space_group_number, hall_number, elements, base_frac_coords,
    wyckoff_letters, multiplicities, a, b, c, alpha, beta, gamma, n_atoms_conventional, n_atoms_primitive, formula,
    reduced_formula, chemical_system, volume_per_atom, density, min_contact_ratio, formation_energy_per_atom,
    energy_above_hull, CASE WHEN energy_above_hull IS NOT NULL THEN dataset_id END, NULL, true
  FROM materials
),
counted AS (
  SELECT *, list_sort(multiplicities) AS counts, gcd(gcd(multiplicities[1], multiplicities[2]), multiplicities[3]) AS unit
  FROM both_sources
)
SELECT
  source, source_id, origin, counted.crystal_id, space_group_number, hall_number, elements, base_frac_coords,
  wyckoff_letters, multiplicities, a, b, c, alpha, beta, gamma, n_atoms_conventional, n_atoms_primitive, formula,
  reduced_formula, chemical_system, volume_per_atom, density, min_contact_ratio,
  concat('A', nullif(counts[1] // unit, 1), 'B', nullif(counts[2] // unit, 1), 'X', nullif(counts[3] // unit, 1))
    AS anonymous_formula,
  formation_energy_per_atom, counted.energy_above_hull, energy_from, systems_without_reference, is_known,
  computed.state AS validation_state,
  computed.energy_above_hull AS computed_energy_above_hull,
  CASE WHEN computed.energy_above_hull IS NOT NULL THEN computed_by END AS computed_by
FROM counted
LEFT JOIN computed USING (crystal_id);
