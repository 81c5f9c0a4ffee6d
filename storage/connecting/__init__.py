"""Connections to Postgres: where they lead, what protects passwords on the way, why they fail, and retries."""
