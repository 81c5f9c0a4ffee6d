"""Engines, as far as no cluster is needed: tests/faults/test_ray.py has one."""
