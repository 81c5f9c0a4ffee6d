"""What a study was created with: the part of its record that never changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from search.errors import UsageError
from spaces.space import diff_descriptions


@dataclass(frozen=True, kw_only=True)
class StudySpec:
    """Everything that decides what a study's trials are; workers hold it against what they find themselves."""

    objective: str
    objective_hash: str
    overrides: list[str]
    space: list[list[str]]
    space_digest: str
    epochs: int
    seed: int
    dataset: str
    data_fingerprint: str
    split_fingerprint: str
    train_examples: int | None
    sampler: str
    pruner: str
    versions: Mapping[str, str]
    git_commit: str | None
    sources: Mapping[str, str] = field(default_factory=dict)
    """The weights' SHA-256 of every network that trials reuse, by the name of its study."""

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> StudySpec:
        """As it was stored; what an earlier version did not store is None."""
        values: dict[str, Any] = {field.name: stored.get(field.name) for field in fields(cls)}
        return cls(**{**values, "sources": values["sources"] or {}})

    def differences(self, other: StudySpec) -> list[str]:
        """One line for each thing that `other` has differently; versions and commit may differ."""
        lines = [
            f"~ {name}: {_short(getattr(self, name))} -> {_short(getattr(other, name))}"
            for name in _COMPARED
            if getattr(self, name) != getattr(other, name)
        ]
        for name in sorted(self.sources.keys() | other.sources.keys()):
            before, now = self.sources.get(name), other.sources.get(name)
            if before != now:
                lines.append(f"~ source {name!r}: {_short(before)} -> {_short(now)}")
        if self.space_digest != other.space_digest:
            lines += diff_descriptions(_rows(self.space), _rows(other.space)) or ["~ space: order of domains"]
        return lines

    def check_same(self, study: str, other: StudySpec) -> None:
        """Refuse to go on with anything else than the study was created with.

        Raises:
            UsageError: with every difference.
        """
        lines = self.differences(other)
        if lines:
            raise UsageError(
                f"study {study!r} was created with other values and cannot continue on these: "
                f"{'; '.join(lines)}; drop the flags, restore the file or data, or start a study of another name"
            )


_COMPARED = (
    "objective",
    "objective_hash",
    "epochs",
    "seed",
    "dataset",
    "data_fingerprint",
    "split_fingerprint",
    "train_examples",
    "sampler",
    "pruner",
)


def _rows(space: list[list[str]]) -> list[tuple[str, str, str]]:
    return [(name, text, condition) for name, text, condition in space]


def _short(value: object) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text
