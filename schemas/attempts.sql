-- Every attempt of the queue, as the ledger last exported them. `attempt_files` holds the file that the export names.
CREATE VIEW attempts AS
SELECT * FROM attempt_files;
