"""Pruners: which trials are stopped early, and what stopping them cost."""
