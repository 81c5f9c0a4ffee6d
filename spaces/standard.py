"""Standard domains with sane ranges, to be used as they are or moved a little by a study.

The ranges follow common practice for networks of up to a few million weights; limits that no override may
leave (`at_least`, `at_most`) are those of the definition.
"""

from __future__ import annotations

from spaces.domains import Float, Int

# The open end of [0, 1) for probabilities and decay rates that must stay below one.
BELOW_ONE = 0.9999


def depth(low: int = 1, high: int = 8) -> Int:
    """Number of hidden layers (or blocks), 1 to 64."""
    return Int(low, high, at_least=1, at_most=64)


def width(low: int = 16, high: int = 512) -> Int:
    """Units of a hidden layer (or channels of the first block), log scale, 1 to 16,384."""
    return Int(low, high, log=True, at_least=1, at_most=16384)


def learning_rate(low: float = 1e-4, high: float = 1e-1) -> Float:
    """Initial (or peak) learning rate, log scale, above 0 and at most 10."""
    return Float(low, high, log=True, at_least=1e-12, at_most=10.0)


def momentum(low: float = 0.5, high: float = 0.99) -> Float:
    """Momentum (or a decay rate beta), from 0 to below 1."""
    return Float(low, high, at_least=0.0, at_most=BELOW_ONE)


def dropout(low: float = 0.0, high: float = 0.5) -> Float:
    """Probability that a hidden unit is dropped, from 0 to below 1."""
    return Float(low, high, at_least=0.0, at_most=BELOW_ONE)


def weight_decay(low: float = 1e-6, high: float = 1e-1) -> Float:
    """Weight decay, log scale, above 0 and at most 10."""
    return Float(low, high, log=True, at_least=1e-12, at_most=10.0)


def batch_size(low: int = 32, high: int = 512) -> Int:
    """Examples in a batch, log scale, 1 to 65,536."""
    return Int(low, high, log=True, at_least=1, at_most=65536)


def final_fraction(low: float = 0.01, high: float = 0.1) -> Float:
    """Last learning rate of a schedule as a fraction of the first, log scale, above 0 and at most 1."""
    return Float(low, high, log=True, at_least=1e-9, at_most=1.0)
