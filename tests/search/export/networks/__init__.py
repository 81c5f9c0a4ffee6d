"""Tests of exported networks that need no training."""
