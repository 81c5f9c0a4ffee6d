"""Samplers: which configuration comes next."""
