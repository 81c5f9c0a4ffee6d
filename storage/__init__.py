"""Where studies are kept: Postgres, embedded or remote."""
