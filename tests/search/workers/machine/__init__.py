"""Tests of what workers share on one machine."""
