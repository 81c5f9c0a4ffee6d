"""`space --catalogue`: every technique that a study may search over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from objectives.base.technique import Technique
from objectives.core.catalogue import CATALOGUE
from search.display.output import document, say, table

COLUMNS = ("name", "options", "conditions", "what it is")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One technique for people; `= value` is an option's default, which varies only where a study says so."""

    group: str
    name: str
    options: str
    conditions: str
    description: str

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands under COLUMNS."""
        return self.name, self.options, self.conditions, self.description


def rows() -> Iterator[Row]:
    """Every technique, group by group."""
    for group in CATALOGUE:
        how = f"{group.field}=..." if group.searched and group.field else ""
        where = how or ("each a field of its own" if group.searched else "final --variant ...")
        for name, entry in group.entries.items():
            yield Row(
                group=f"{group.title} ({where})",
                name=name,
                options=_options(entry),
                conditions="; ".join(map(str, entry.conditions)),
                description=entry.description,
            )


def show_catalogue(*, as_json: bool) -> None:
    """Print the catalogue."""
    found = list(rows())
    if as_json:
        document([asdict(row) for row in found])
        return
    for group in dict.fromkeys(row.group for row in found):
        say(group)
        table(COLUMNS, [row.cells for row in found if row.group == group])


def _options(entry: Technique) -> str:
    return ", ".join(f"{name} {domain}" for name, domain in entry.space.domains.items())
