"""Tests of what is said about networks that do not learn."""
