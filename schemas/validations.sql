-- Every calculation of the queue, as the ledger last exported them. `validation_files` holds the file that the export names.
CREATE VIEW validations AS
SELECT * FROM validation_files;
