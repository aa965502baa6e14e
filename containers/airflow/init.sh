#!/bin/sh
# Before any component starts: the database, the first user, the pool of the jobs. Run again, it changes the password.
set -eu
airflow db migrate
airflow users create --username admin --role Admin --firstname Airflow --lastname Admin --email admin@localhost.invalid \
  --password "$AIRFLOW_ADMIN_PASSWORD" > /dev/null
airflow users reset-password --username admin --password "$AIRFLOW_ADMIN_PASSWORD" > /dev/null
airflow pools set jobs "$JOB_SLOTS" "stage jobs that run at once"
