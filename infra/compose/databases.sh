#!/bin/sh
# Runs once, when Postgres makes its folder: a database and a user for each service, who sees no other one's.
set -eu
make() { # user password database...
  user=$1 password=$2
  shift 2
  psql --set ON_ERROR_STOP=1 --quiet --set user="$user" --set password="$password" <<'SQL'
CREATE USER :"user" PASSWORD :'password';
SQL
  for database in "$@"; do
    psql --set ON_ERROR_STOP=1 --quiet --set user="$user" --set database="$database" <<'SQL'
CREATE DATABASE :"database" OWNER :"user";
REVOKE CONNECT ON DATABASE :"database" FROM PUBLIC;
SQL
  done
}
export PGUSER="${POSTGRES_USER:-postgres}" PGDATABASE=postgres
make airflow "$AIRFLOW_DB_PASSWORD" airflow
make mlflow "$MLFLOW_DB_PASSWORD" mlflow mlflow_auth
