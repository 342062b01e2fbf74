-- The screening against the calculations: for each recipe, potential and source by space group, and over all (null).
-- Ranks are those of Spearman: ties share their mean rank. "Nearly stable" is at most 0.1 eV/atom above the hull.
CREATE VIEW calibrations AS
WITH scoped AS (
  SELECT * FROM calibration_pairs
  UNION ALL
  SELECT * REPLACE (NULL AS space_group_number) FROM calibration_pairs
),
ranked AS (
  SELECT *,
    rank() OVER (PARTITION BY recipe_hash, potential, potential_version, hull_reference, source, space_group_number ORDER BY screened_energy_above_hull)
      + (count(*) OVER (PARTITION BY recipe_hash, potential, potential_version, hull_reference, source, space_group_number, screened_energy_above_hull) - 1) / 2 AS screened_rank,
    rank() OVER (PARTITION BY recipe_hash, potential, potential_version, hull_reference, source, space_group_number ORDER BY energy_above_hull)
      + (count(*) OVER (PARTITION BY recipe_hash, potential, potential_version, hull_reference, source, space_group_number, energy_above_hull) - 1) / 2 AS computed_rank,
    median(energy_above_hull) OVER (PARTITION BY recipe_hash, potential, potential_version, hull_reference, source, space_group_number) AS middle
  FROM scoped
),
compared AS (
  SELECT
    recipe, recipe_hash, potential, potential_version, hull_reference, source, space_group_number,
    count(*) AS n,
    avg(screened_energy_above_hull - energy_above_hull) AS mean_error,
    avg(abs(screened_energy_above_hull - energy_above_hull)) AS mean_absolute_error,
    avg(abs(energy_above_hull - middle)) AS mean_absolute_error_of_median,
    corr(screened_rank, computed_rank) AS correlation,
    count(*) FILTER (screened_energy_above_hull <= 0.1) AS n_nearly_stable_screened,
    count(*) FILTER (energy_above_hull <= 0.1) AS n_nearly_stable_computed
  FROM ranked
  GROUP BY ALL
)
SELECT
  * EXCLUDE (correlation),
  CASE WHEN n > 2 AND NOT isnan(correlation) THEN correlation END AS rank_correlation,
  n_nearly_stable_screened / nullif(n_nearly_stable_computed, 0) AS flattery
FROM compared;
