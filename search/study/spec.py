"""What a study was created with, which never changes, and the search policies that it has had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Never

from objectives.base.errors import ObjectiveError
from objectives.base.names import ObjectiveName, parse_name
from search.errors import StoredValueRefused, UsageError
from search.study.options import OPTIONS, StudyOptions
from spaces import Space
from spaces.described import convert_rows
from spaces.space import diff_descriptions
from storage.errors import format_command


@dataclass(frozen=True, kw_only=True)
class PolicyPeriod:
    """A search policy and the first trial that it chose."""

    policy: str
    """The sampler and the pruner with their versions: `curves/1+rank/1`."""
    first_trial: int
    """Its number, counted from 0."""


@dataclass(frozen=True, kw_only=True)
class StudySpec(StudyOptions[Never]):
    """Everything that decides what a study's trials are; workers compare it with what they find themselves."""

    objective: ObjectiveName
    objective_hash: str
    objective_files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of a user's own file and of each module beside it, by name; empty for other objectives, and for a study
    of a version that did not store it."""
    overrides: list[str]
    space: Mapping[str, Any]
    """As `Space.to_json` gives it."""
    space_digest: str
    dataset: str
    validation_folder: bool = False
    """Whether the validation images are those of the data set's folder val/; then there is no fraction."""
    data_fingerprint: str
    split_fingerprint: str
    policy: str
    """The sampler and the pruner with their versions, `curves/1+rank/1`: what proposes and stops the trials."""
    policies: Sequence[PolicyPeriod] = ()
    """Every policy that the study has had, the present one last; empty if there has been no other."""
    versions: Mapping[str, str]
    git_commit: str | None
    sources: Mapping[str, str] = field(default_factory=dict)
    """The weights' SHA-256 of every network that trials reuse, by the name of its study."""
    experience: Mapping[str, int] | None = None
    """How many trials of each earlier study this one learns from, by its UUID, the oldest study first; None if it was
    told to learn from none."""

    def to_json(self) -> dict[str, Any]:
        """Return the record as it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> StudySpec:
        """Return a stored record.

        What an earlier version did not store is filled in: an option by its `before`, the space and the sources as
        empty, anything else by None. What a later version added is ignored. A space of schema version 3 is converted.

        Raises:
            StoredValueRefused: it names an objective or a data set by something else than a name.
        """
        values: dict[str, Any] = {each.name: None for each in fields(cls)}
        values |= {"space": {}, "sources": {}, "objective_files": {}, "validation_folder": False}
        values |= {name: option.before for name, option in OPTIONS.items()}
        values |= {name: value for name, value in stored.items() if name in values and value is not None}
        if isinstance(values["space"], list):
            values["space"] = convert_rows(values["space"])
        values["objective"] = _read_objective(values["objective"])
        _check_dataset(values["dataset"])
        values["policies"] = _read_policies(values["policies"] or ())
        return cls(**values)

    def read_space(self) -> Space:
        """Return the space that the study was created with, without the limits of overrides."""
        return Space.from_json(self.space)

    def differences(self, other: StudySpec) -> list[str]:
        """Return a line for each value that differs in `other`; versions, commit and experience may differ.

        The policy is not compared here: `check_policy` does so where it matters.
        """
        lines = [*self._changed(other, _COMPARED), *self._changed_files(other), *self._other_sources(other)]
        if self.space_digest != other.space_digest:
            before, after = self.read_space().describe(), other.read_space().describe()
            lines += diff_descriptions(before, after) or ["~ space: order of domains"]
        return lines

    def differences_of_trials(self, other: StudySpec) -> list[str]:
        """Return a line for each thing that makes the same parameters another trial under `other`.

        The space and how it is searched do not, nor does the text of the objective's file by itself.
        """
        return [*self._changed(other, _CHANGING_TRIALS), *self._other_sources(other)]

    def check_same(self, study: str, other: StudySpec) -> None:
        """Refuse to continue with anything else than the study was created with.

        Raises:
            UsageError: with every difference.
        """
        lines = self.differences(other)
        if lines:
            raise refuse_other_values(study, lines)

    def check_same_images(self, study: str, asked: StudyOptions[Any]) -> None:
        """Refuse to divide the images otherwise than the study was created with, before any are looked for.

        Raises:
            UsageError: with every difference.
        """
        lines = [
            f"~ {name}: {'val/' if before is None and self.validation_folder else before} -> {getattr(asked, name)}"
            for name in ("validation_fraction", "group_by")
            if (before := getattr(self, name)) != getattr(asked, name)
        ]
        if lines:
            raise refuse_other_values(study, lines)

    def check_policy(self, study: str, current: str) -> None:
        """Refuse to search with another policy than the study was created with.

        Raises:
            UsageError: naming both.
        """
        if self.policy != current:
            upgrade = format_command("study", "upgrade", "--study", study)
            raise UsageError(
                f"study {study!r} has the search policy {self.policy}, and this program has {current}, which would "
                "choose and stop its trials differently from here on; allow that with "
                f"`{upgrade}`, carry the finished trials over to a new study with --fork NAME, or "
                f"continue it with depthsearch {self.versions['depthsearch']}"
            )

    @property
    def policy_periods(self) -> tuple[PolicyPeriod, ...]:
        """Every policy that the study has had and the first trial that each chose, the present one last."""
        return tuple(self.policies) or (PolicyPeriod(policy=self.policy, first_trial=0),)

    def _changed(self, other: StudySpec, names: Sequence[str]) -> list[str]:
        return [
            f"~ {name}: {_shorten(getattr(self, name))} -> {_shorten(getattr(other, name))}"
            for name in names
            if getattr(self, name) != getattr(other, name)
        ]

    def _changed_files(self, other: StudySpec) -> list[str]:
        if self.objective_hash == other.objective_hash:
            return []
        if not self.objective_files and len(other.objective_files) > 1:
            beside = ", ".join(list(other.objective_files)[1:])
            return [f"~ objective_hash covers what the file imports from beside it, as well: {beside}"]
        return [
            f"~ file {name}: {_shorten(self.objective_files.get(name))} -> {_shorten(other.objective_files.get(name))}"
            for name in find_changed_files(self.objective_files, other.objective_files)
        ]

    def _other_sources(self, other: StudySpec) -> list[str]:
        return [
            f"~ source {name!r}: {_shorten(self.sources.get(name))} -> {_shorten(other.sources.get(name))}"
            for name in sorted(self.sources.keys() | other.sources.keys())
            if self.sources.get(name) != other.sources.get(name)
        ]


def change_policy(stored: Mapping[str, Any], policy: str, trials: int) -> dict[str, Any]:
    """Return a stored record with another policy from the next trial on.

    trials: how many the study has; they keep what they were given.
    """
    if stored["policy"] == policy:
        return dict(stored)
    before = [asdict(one) for one in StudySpec.from_json(stored).policy_periods if one.first_trial < trials]
    return {**stored, "policy": policy, "policies": [*before, {"policy": policy, "first_trial": trials}]}


def find_changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the names of the files whose hashes differ, or which one of the two objectives has not got."""
    return [name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]


def refuse_other_values(study: str, lines: Sequence[str]) -> UsageError:
    """Return the error of a study that was asked to continue with other values.

    lines: one for each difference.
    """
    return UsageError(
        f"study {study!r} was created with other values and cannot continue on these: {'; '.join(lines)}; drop "
        "the flags, restore the file or data, start a study of another name, or carry over what still fits to a "
        "new one with --fork NAME"
    )


def _read_objective(stored: object) -> ObjectiveName:
    """Return the objective's name: others who may write to the storage must not choose a file that runs here."""
    try:
        return parse_name(stored)
    except ObjectiveError as error:
        raise StoredValueRefused(
            f"the study's objective is changed in the storage: {error}; restore the storage from a backup, or start a "
            "study of another name"
        ) from None


def _read_policies(stored: Any) -> tuple[PolicyPeriod, ...]:
    """Return the policies that a study has had; others who may write to the storage can have changed them."""
    try:
        return tuple(PolicyPeriod(policy=str(one["policy"]), first_trial=int(one["first_trial"])) for one in stored)
    except (TypeError, KeyError, ValueError):
        raise StoredValueRefused(
            f"the study's policies are changed in the storage: {str(stored)[:100]!r} are none; restore the storage "
            "from a backup, or start a study of another name"
        ) from None


def _check_dataset(stored: object) -> None:
    """Refuse what is no data set's name, such as the path of a folder."""
    if not (isinstance(stored, str) and stored.isprintable() and "/" not in stored and stored[:1] not in ("", ".")):
        raise StoredValueRefused(
            f"the study's data set is changed in the storage: {str(stored)[:100]!r} is not the name of a data set; "
            "restore the storage from a backup, or start a study of another name"
        )


_FINGERPRINTS = ("dataset", "data_fingerprint", "split_fingerprint")
_COMPARED = ("objective", "objective_hash", *OPTIONS, *_FINGERPRINTS)
_CHANGING_TRIALS = (
    "objective",
    *(name for name, option in OPTIONS.items() if option.changes_trials),
    *_FINGERPRINTS,
)


def _shorten(value: object) -> str:
    kind, colon, digest = str(value).rpartition(":")
    return f"{kind}{colon}{digest[:12]}" if len(digest) == 64 else str(value)
