#!/bin/sh
# First start: make the database folder and run /docker-entrypoint-initdb.d/*.sh against it. Then serve.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username postgres --auth-local trust --auth-host scram-sha-256 --encoding UTF8 --locale C > /dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  pg_ctl --wait --options "-c listen_addresses=''" start > /dev/null
  for script in /docker-entrypoint-initdb.d/*.sh; do sh "$script"; done
  pg_ctl --wait stop > /dev/null
fi
exec postgres -c listen_addresses='*'
