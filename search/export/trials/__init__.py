"""A study's trials as a table."""
