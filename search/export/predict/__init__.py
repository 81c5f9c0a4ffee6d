"""Predictions of an exported network for files."""
