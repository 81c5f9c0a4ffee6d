"""Every technique that a study may search over."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from objectives.base.technique import Technique
from objectives.core.catalogue import CATALOGUE


@dataclass(frozen=True, kw_only=True)
class TechniqueRow:
    """One technique as text; `= value` is an option's default, which varies only if a study says so."""

    group: str
    name: str
    options: str
    conditions: str
    description: str

    def to_json(self) -> dict[str, object]:
        """Return an entry of the list that `search space --catalogue --json` prints."""
        return asdict(self)


def list_techniques() -> tuple[TechniqueRow, ...]:
    """Return every technique, group by group."""
    found = []
    for group in CATALOGUE:
        how = f"{group.field}=..." if group.searched and group.field else ""
        where = how or ("each a field of its own" if group.searched else "final --variant ...")
        for name, entry in group.entries.items():
            row = TechniqueRow(
                group=f"{group.title} ({where})",
                name=name,
                options=_options(entry),
                conditions="; ".join(map(str, entry.conditions)),
                description=entry.description,
            )
            found.append(row)
    return tuple(found)


def _options(entry: Technique) -> str:
    return ", ".join(f"{name} {domain}" for name, domain in entry.space.domains.items())
