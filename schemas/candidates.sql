-- Accepted samples, one per crystal: the first by generation, space group, shard and index.
-- The first is found on narrow columns; the wide ones are read only for the rows that stay.
CREATE VIEW candidates AS
SELECT * FROM samples
WHERE status = 'accepted'
  AND sample_id IN (
    SELECT arg_min(sample_id, (generations.position, space_group_number, shard, "index"))
    FROM samples
    JOIN generations USING (generation_id)
    WHERE status = 'accepted'
    GROUP BY crystal_id
  );
