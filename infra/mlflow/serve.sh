#!/usr/bin/env bash
# MLflow's tracking server on PostgreSQL, with the artifacts in a folder. See docs/deploy.md, "MLflow on PostgreSQL".
#
# Everything comes from the environment (mlflow.env.example). No password stands in an address or on a command line:
# PostgreSQL's own library takes it from PGPASSFILE (mode 600) or PGPASSWORD; over a Unix socket it needs none.
set -euo pipefail

export PGHOST=${PGHOST:-/run/postgresql} PGPORT=${PGPORT:-5432} PGDATABASE=${PGDATABASE:-mlflow} PGUSER=${PGUSER:-mlflow}
export MLFLOW_BACKEND_STORE_URI=postgresql+psycopg2:///
export MLFLOW_ARTIFACTS_DESTINATION=${MLFLOW_ARTIFACTS_DESTINATION:-/var/lib/mlflow/artifacts}
export MLFLOW_DISABLE_TELEMETRY=true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false # eight more processes, for the evaluation of language models

host=${MLFLOW_HOST:-127.0.0.1} port=${MLFLOW_PORT:-5000}
umask 077

if [ -n "${PGPASSFILE:-}" ]; then
  if [ ! -r "$PGPASSFILE" ]; then
    echo "serve.sh: cannot read the password file $PGPASSFILE: expected a file of mode 600 that is this user's." >&2
    exit 2
  fi
  mode=$(stat -L -c %a "$PGPASSFILE")
  case $mode in
    600 | 400) ;;
    *)
      echo "serve.sh: the password file $PGPASSFILE has mode $mode: expected 600. Run: chmod 600 $PGPASSFILE" >&2
      exit 2
      ;;
  esac
fi

# On loopback only the names of this machine are answered: a website whose name is made to point here is refused.
# Elsewhere say by MLFLOW_SERVER_ALLOWED_HOSTS under which names the server is reached.
case $host in
  127.* | localhost | ::1)
    names='localhost,127.0.0.1,[::1]'
    export MLFLOW_SERVER_ALLOWED_HOSTS=${MLFLOW_SERVER_ALLOWED_HOSTS:-$names,${names//,/:$port,}:$port}
    ;;
esac

exec "${PYTHON:-python3}" -m mlflow server --host "$host" --port "$port" --workers "${MLFLOW_WORKERS:-2}"
