-- Relaxed crystals against a reference hull, a row for each reference. `stability_files` holds what was judged.
CREATE VIEW stabilities AS
SELECT * FROM stability_files;
