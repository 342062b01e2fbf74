-- Of each accepted crystal the first sample by generation, space group and index (shards follow the index). The three
-- make one number: 15 bits of position, 8 of the group, 40 of the index. Crystals are told apart by a number of 128 bits,
-- as long as the hash that crystal_id is: as text it takes twice the memory.
CREATE VIEW first_samples AS
SELECT min((position::BIGINT << 48) | (space_group_number::BIGINT << 40) | "index") AS first_sample
FROM samples
JOIN generations USING (generation_id)
WHERE status = 'accepted'
GROUP BY md5_number(crystal_id);
COMMENT ON COLUMN first_samples.first_sample IS 'Position of its generation, space group and index in one number';

-- Accepted samples, one per crystal: the first. A semi-join on the number is a quarter cheaper than on sample_id, and
-- the wide columns are read only for the rows that stay.
CREATE VIEW candidates AS
SELECT samples.* FROM samples
JOIN generations USING (generation_id)
WHERE status = 'accepted'
  AND (position::BIGINT << 48) | (space_group_number::BIGINT << 40) | "index" IN (SELECT first_sample FROM first_samples);
