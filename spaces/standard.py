"""Standard domains with sensible ranges, for a study to use as they are or with other ends.

The ranges follow common practice for networks of up to a few million weights; the limits that no override may leave
(`at_least`, `at_most`) follow from each definition. A new domain is one function here.
"""

from __future__ import annotations

from spaces.domains import Float, Int

# Upper limit of probabilities and decay rates, which must stay below one.
BELOW_ONE = 0.9999
# Books set momentum this high to show what goes wrong.
HIGHEST_MOMENTUM = 0.99999


def depth(low: int = 1, high: int = 8) -> Int:
    """Return a domain for the number of hidden layers (or blocks), 1 to 64."""
    return Int(low, high, at_least=1, at_most=64)


def width(low: int = 16, high: int = 512) -> Int:
    """Return a domain for the units of a hidden layer (or channels of the first block), log scale, 1 to 16,384."""
    return Int(low, high, log=True, at_least=1, at_most=16384)


def learning_rate(low: float = 1e-4, high: float = 1e-1) -> Float:
    """Return a domain for the initial (or peak) learning rate, log scale, above 0 and at most 100."""
    return Float(low, high, log=True, at_least=1e-12, at_most=100.0)


def momentum(low: float = 0.5, high: float = 0.99) -> Float:
    """Return a domain for momentum (or a decay rate beta), from 0 to 0.99999."""
    return Float(low, high, at_least=0.0, at_most=HIGHEST_MOMENTUM)


def dropout(low: float = 0.0, high: float = 0.5) -> Float:
    """Return a domain for the probability that a hidden unit is dropped, from 0 to below 1."""
    return Float(low, high, at_least=0.0, at_most=BELOW_ONE)


def weight_decay(low: float = 1e-6, high: float = 1e-1) -> Float:
    """Return a domain for weight decay, log scale, from 0 (which no logarithmic range includes) to 10."""
    return Float(low, high, log=True, at_least=0.0, at_most=10.0)


def batch_size(low: int = 32, high: int = 512) -> Int:
    """Return a domain for the examples in a batch, log scale, 1 to 65,536."""
    return Int(low, high, log=True, at_least=1, at_most=65536)


def final_fraction(low: float = 0.01, high: float = 0.1) -> Float:
    """Return a domain for a schedule's last learning rate as a fraction of its first, log scale, above 0, at most 1."""
    return Float(low, high, log=True, at_least=1e-9, at_most=1.0)
