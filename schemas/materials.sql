-- The curated crystals of every dataset. `material_files` holds the Parquet files that the datasets' manifests name.
CREATE VIEW materials AS
SELECT * FROM material_files;
