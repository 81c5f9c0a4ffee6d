"""Regularizers, and other single values of a configuration that a study may search."""
