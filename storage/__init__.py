"""Where depthsearch keeps studies: Postgres, embedded or remote."""
