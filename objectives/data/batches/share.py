"""Shares of a batch, or of a set of examples, for devices that work on it together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one of several devices gets: the part `rank`, counted from 0, of `ranks` neighbouring parts.

    Their sizes differ by one at most. `Share()` is everything.
    """

    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        """Raise `ValueError` if there is no such part."""
        if not 0 <= self.rank < self.ranks:
            raise ValueError(f"0 <= rank < ranks must hold, but got rank={self.rank}, ranks={self.ranks}")

    def cut(self, start: int, stop: int) -> slice:
        """Return this part of the positions from `start` to before `stop`."""
        count = stop - start
        return slice(start + count * self.rank // self.ranks, start + count * (self.rank + 1) // self.ranks)


WHOLE = Share()
