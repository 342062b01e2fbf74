-- Rejected samples; reject_reason says why.
CREATE VIEW rejections AS
SELECT * FROM samples
WHERE status = 'rejected';
