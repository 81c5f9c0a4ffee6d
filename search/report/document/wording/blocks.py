"""What a document is made of. Texts are plain: rendering escapes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Alert:
    """A paragraph that asks for something to be done."""

    text: str


@dataclass(frozen=True)
class Code:
    """Lines to be copied as they are."""

    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Card:
    """One number that is read first."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Cards:
    """The numbers that are read first."""

    cards: tuple[Card, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under headings."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_drawn: bool = False
    """Whether a plot beside it shows the same: a document with plots leaves it out."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A drawing; a document without plots leaves it out."""

    kind: str
    title: str
    caption: str


Block: TypeAlias = Text | Alert | Code | Cards | Table | Plot


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def anchor(self) -> str:
        """The section's name in a link."""
        return self.title.lower().replace(" ", "-")


@dataclass(frozen=True, kw_only=True)
class Document:
    """A whole report."""

    title: str
    summary: str
    sections: tuple[Section, ...]


def format_value(value: object) -> str:
    """Return a parameter's value for people: numbers to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def format_share(share: float) -> str:
    """Return a share as a percentage."""
    return f"{share:.0%}" if share >= 0.1 or share < 0.0005 else f"{share:.1%}"


def format_hours(hours: float) -> str:
    """Return a time in the unit that people would use."""
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{hours * 60:.1f} min" if hours * 60 >= 1 else f"{hours * 3600:.1f} s"


def tabulate(headings: Sequence[str], rows: Sequence[Sequence[object]], *, is_drawn: bool = False) -> Table:
    """Return a table of values for people."""
    texts = tuple(tuple(map(format_value, row)) for row in rows)
    return Table(headings=tuple(headings), rows=texts, is_drawn=is_drawn)
