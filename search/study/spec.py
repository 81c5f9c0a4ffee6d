"""What a study was created with: the part of its record that never changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    policy: str
    """The sampler and the pruner with their versions, `curves/1+rank/1`: what proposes and stops the trials."""
    versions: Mapping[str, str]
    git_commit: str | None
    sources: Mapping[str, str] = field(default_factory=dict)
    """The weights' SHA-256 of every network that trials reuse, by the name of its study."""
    experience: Mapping[str, int] | None = None
    """How many trials of each earlier study are learnt from, by its UUID, the oldest study first; None for a study
    that was told to learn from none. A study of an earlier version does not learn."""
    audit: float = 0.0
    """Share of the stopped trials that run on, from 0 to 1."""

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> StudySpec:
        """As it was stored; what an earlier version did not store is None."""
        values: dict[str, Any] = {field.name: stored.get(field.name) for field in fields(cls)}
        return cls(**{**values, "sources": values["sources"] or {}, "audit": values["audit"] or 0.0})

    def differences(self, other: StudySpec) -> list[str]:
        """Return a line for each value that differs in `other`; versions, commit and experience may.

        The policy is compared by `check_policy`, only if trials are to be trained.
        """
        lines = [*self._changed(other, _COMPARED), *self._other_sources(other)]
        if self.space_digest != other.space_digest:
            lines += diff_descriptions(_rows(self.space), _rows(other.space)) or ["~ space: order of domains"]
        return lines

    def differences_of_trials(self, other: StudySpec) -> list[str]:
        """One line for each thing that makes the same parameters another trial under `other`.

        Neither the space nor how it is searched does, nor the text of the objective's file by itself.
        """
        return [*self._changed(other, _MEANING), *self._other_sources(other)]

    def check_same(self, study: str, other: StudySpec) -> None:
        """Refuse to go on with anything else than the study was created with.

        Raises:
            UsageError: with every difference.
        """
        lines = self.differences(other)
        if lines:
            raise refusal(study, lines)

    def check_policy(self, study: str, current: str) -> None:
        """Refuse to search with another policy than the study was created with.

        Raises:
            UsageError: naming both.
        """
        if self.policy != current:
            raise UsageError(
                f"study {study!r} was created with the search policy {self.policy}, and this program has {current}, "
                "which would choose and stop its trials differently from here on; continue it with depthsearch "
                f"{self.versions['depthsearch']}, or carry its trials over to a new study with --fork NAME"
            )

    def _changed(self, other: StudySpec, names: Sequence[str]) -> list[str]:
        return [
            f"~ {name}: {_short(getattr(self, name))} -> {_short(getattr(other, name))}"
            for name in names
            if getattr(self, name) != getattr(other, name)
        ]

    def _other_sources(self, other: StudySpec) -> list[str]:
        return [
            f"~ source {name!r}: {_short(self.sources.get(name))} -> {_short(other.sources.get(name))}"
            for name in sorted(self.sources.keys() | other.sources.keys())
            if self.sources.get(name) != other.sources.get(name)
        ]


def refusal(study: str, lines: Sequence[str]) -> UsageError:
    """The error of a study that is asked to go on with other values; a line for each."""
    return UsageError(
        f"study {study!r} was created with other values and cannot continue on these: {'; '.join(lines)}; drop "
        "the flags, restore the file or data, start a study of another name, or carry over what still fits to a "
        "new one with --fork NAME"
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
    "audit",
)
# The seed of a study is in its split, that of a trial is kept with it.
_MEANING = ("objective", "epochs", "dataset", "data_fingerprint", "split_fingerprint", "train_examples")


def _rows(space: list[list[str]]) -> list[tuple[str, str, str]]:
    return [(name, text, condition) for name, text, condition in space]


def _short(value: object) -> str:
    kind, colon, digest = str(value).rpartition(":")
    return f"{kind}{colon}{digest[:12]}" if len(digest) == 64 else str(value)
