"""Counted nouns for people."""

from __future__ import annotations


def count_noun(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: "1 epoch", "2 epochs".

    plural: for nouns that take more than an s, such as "studies".
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
