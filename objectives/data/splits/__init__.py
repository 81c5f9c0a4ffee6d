"""Splits: which examples are for training and which for validation, and which classes a study uses."""
