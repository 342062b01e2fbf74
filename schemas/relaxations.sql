-- Every crystal that a screening relaxed, with how it ended. `relaxation_files` holds the shards that the manifests name.
CREATE VIEW relaxations AS
SELECT * FROM relaxation_files;
