#!/bin/bash
# What the official image of PostgreSQL does with the variables that docker-compose.yml sets.
set -euo pipefail
export PGDATA=/var/lib/postgresql/18/docker PATH=/usr/local/pgsql/bin:$PATH LC_ALL=C
mkdir -p "$PGDATA"
chown -R postgres:postgres /var/lib/postgresql
chmod 700 "$PGDATA"
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  install -m 400 -o postgres "$POSTGRES_PASSWORD_FILE" /tmp/password
  # shellcheck disable=SC2086
  as initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile=/tmp/password --auth-local=trust $POSTGRES_INITDB_ARGS
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  as postgres -D "$PGDATA" -c listen_addresses= -k /tmp &
  server=$!
  export PGHOST=/tmp
  until pg_isready -q -U "$POSTGRES_USER" -d postgres; do sleep 0.2; done
  [ "$POSTGRES_DB" = postgres ] || createdb -U "$POSTGRES_USER" "$POSTGRES_DB"
  for script in /docker-entrypoint-initdb.d/*.sh; do bash "$script"; done
  kill -INT "$(head -n 1 "$PGDATA/postmaster.pid")"
  wait "$server"
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups postgres -D "$PGDATA" -c 'listen_addresses=*' -k /tmp
