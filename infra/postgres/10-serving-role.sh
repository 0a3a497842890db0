#!/bin/sh
# Run once by the postgres image on an empty data folder: the role that serves. It gets its rights from graph-store's prepare step.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$(cat /run/secrets/serving_password)" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
create role polyedge_serving login nosuperuser nocreatedb nocreaterole password :'password';
SQL
