"""Tests of the ways to run steps."""
