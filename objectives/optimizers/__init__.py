"""Optimizers that a study can choose from."""
