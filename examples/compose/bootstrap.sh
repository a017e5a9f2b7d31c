#!/bin/sh
# The image of PostgreSQL runs this once, as the superuser, when it has created the cluster.
exec psql -X -q -v ON_ERROR_STOP=1 -v secrets=/logins -U "$POSTGRES_USER" -d postgres -f /bootstrap.sql
