#!/bin/sh
# Before any component starts: the database, the first user, and what the DAGs need in the database. Run again, it changes the
# password, the pool's size and the connections; variables stay as they are.
set -eu
umask 077
airflow db migrate
airflow users create --username admin --role Admin --firstname Airflow --lastname Admin --email admin@localhost.invalid \
  --password "$AIRFLOW_ADMIN_PASSWORD" > /dev/null
airflow users reset-password --username admin --password "$AIRFLOW_ADMIN_PASSWORD" > /dev/null
objects=$(mktemp -d)
python /app/airflow_objects.py "$objects"
airflow pools import "$objects/pools.json"
airflow variables import --action-on-existing-key skip "$objects/variables.json"
airflow connections import --overwrite "$objects/connections.json"
rm -r "$objects"
