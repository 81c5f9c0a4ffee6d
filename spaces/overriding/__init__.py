"""Overrides: changes of a space that are written as text."""
