"""Tests of the search policy."""
