"""A long training counts in parts, so that a model and its decisions treat trainings of all lengths alike."""

from __future__ import annotations

PARTS = 26


def measure_part(epochs: int) -> float:
    """Return how many epochs of a full training of `epochs` count as one: 1 up to 26, above a 26th of them."""
    return max(1.0, epochs / PARTS)
