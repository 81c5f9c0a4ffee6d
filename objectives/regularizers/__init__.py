"""Regularizers, and the other single numbers of a configuration that a study may search."""
