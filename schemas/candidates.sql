-- Accepted samples, one per crystal: the first by generation, space group and index (shards follow the index).
-- The three make one number: 15 bits of position, 8 of the group, 40 of the index. A semi-join on it is a quarter
-- cheaper than on sample_id, and the wide columns are read only for the rows that stay.
CREATE VIEW candidates AS
SELECT samples.* FROM samples
JOIN generations USING (generation_id)
WHERE status = 'accepted'
  AND (position::BIGINT << 48) | (space_group_number::BIGINT << 40) | "index" IN (
    SELECT min((position::BIGINT << 48) | (space_group_number::BIGINT << 40) | "index")
    FROM samples
    JOIN generations USING (generation_id)
    WHERE status = 'accepted'
    GROUP BY crystal_id
  );
