"""What an objective is, where objectives are found, and how registries are read."""
