-- Every drawn sample, accepted or rejected. `sample_files` holds the shards that the manifests name.
CREATE VIEW samples AS
SELECT * FROM sample_files;
