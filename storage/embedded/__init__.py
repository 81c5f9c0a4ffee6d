"""The Postgres server that comes with the package: initialized, started, shared and stopped."""
