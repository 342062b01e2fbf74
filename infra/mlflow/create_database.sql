-- The role and the database of the tracking server; psql 15 or newer, as a superuser:
--   psql --set ON_ERROR_STOP=1 --file create_database.sql
-- With MLFLOW_DATABASE_PASSWORD in the environment the role may log in by password, else by the kernel's word (peer).
\getenv password MLFLOW_DATABASE_PASSWORD
SET password_encryption = 'scram-sha-256';
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
\if :{?password}
CREATE ROLE mlflow LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
\else
CREATE ROLE mlflow LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
\endif
CREATE DATABASE mlflow OWNER mlflow ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE mlflow FROM PUBLIC;
