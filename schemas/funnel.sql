-- The counts of each screening of raw samples against each reference: of every space group, and (null) of all.
CREATE VIEW funnel AS
SELECT
  screening_id,
  source,
  generation_id,
  potential,
  reference,
  space_group_number,
  count(*) AS n_drawn,
  count_if(is_accepted)::BIGINT AS n_accepted,
  count_if(is_converged)::BIGINT AS n_converged,
  count_if(is_judged)::BIGINT AS n_judged,
  count_if(is_covered)::BIGINT AS n_covered,
  count_if(is_unique)::BIGINT AS n_unique,
  count_if(is_novel)::BIGINT AS n_novel,
  count_if(is_new_formula)::BIGINT AS n_new_formula,
  count_if(is_symmetric)::BIGINT AS n_symmetric,
  count_if(is_stable)::BIGINT AS n_stable,
  count_if(is_nearly_stable)::BIGINT AS n_nearly_stable,
  count_if(is_stable AND is_unique AND is_novel)::BIGINT AS n_sun,
  count_if(is_nearly_stable AND is_unique AND is_novel)::BIGINT AS n_msun,
  count_if(is_stable AND is_unique AND is_novel AND is_symmetric)::BIGINT AS n_ssun,
  count_if(is_nearly_stable AND is_unique AND is_novel AND is_symmetric)::BIGINT AS n_mssun,
  count_if(is_covered AND is_stable)::BIGINT AS n_stable_covered,
  count_if(is_covered AND is_nearly_stable)::BIGINT AS n_nearly_stable_covered,
  count_if(is_covered AND is_stable AND is_unique AND is_novel)::BIGINT AS n_sun_covered,
  count_if(is_covered AND is_nearly_stable AND is_unique AND is_novel)::BIGINT AS n_msun_covered,
  count_if(is_covered AND is_stable AND is_unique AND is_novel AND is_symmetric)::BIGINT AS n_ssun_covered,
  count_if(is_covered AND is_nearly_stable AND is_unique AND is_novel AND is_symmetric)::BIGINT AS n_mssun_covered,
  count_if(is_nearly_stable AND is_unique AND is_novel AND is_new_formula)::BIGINT AS n_msun_new_formula,
  median(rmsd) AS median_rmsd
FROM discoveries
GROUP BY GROUPING SETS (
  (screening_id, source, generation_id, potential, reference, space_group_number),
  (screening_id, source, generation_id, potential, reference)
);
