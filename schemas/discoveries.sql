-- Every raw sample of a screening, rejected ones too, against a reference: stable, unique, novel. `discovery_files` holds
-- what the manifests name.
CREATE VIEW discoveries AS
SELECT * FROM discovery_files;
