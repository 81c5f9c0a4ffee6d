"""Tests of search.strategies.repeated."""
