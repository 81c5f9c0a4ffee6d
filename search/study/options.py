"""The options of a study: what flags of `run` set and the study's record keeps.

One field of `StudyOptions` is all that an option needs. From the field come the flag of `run` with its help, the check
of its value, its part of the request and of the stored record, the comparison when the study is continued, and
whether a fork with another value still carries trials over.
"""

# ruff: noqa: RUF009 - `keep` is dataclasses.field with metadata

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any, Generic, Never, Protocol, Self, TypeVar

from search.errors import UsageError
from search.strategies.registry import (
    DEFAULT_AUDIT_SHARE,
    DEFAULT_PRUNER,
    DEFAULT_SAMPLER,
    PRUNERS,
    SAMPLERS,
    find_pruner,
    find_sampler,
)

LARGEST = 2**31 - 1  # counts and seconds alike: what fits the storage's columns

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""The units of time that `--budget` knows."""

Unset = TypeVar("Unset")
"""`None` if options may be left open, as in a request; `Never` if all are decided, as in a stored study."""


class Defaults(Protocol):
    """The part of an objective that options take their defaults from."""

    @property
    def epochs(self) -> int: ...

    @property
    def train_examples(self) -> int | None: ...

    @property
    def validation_fraction(self) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Option:
    """How an option is shown, checked, resolved and compared."""

    help: str
    metavar: str
    default: Callable[[Defaults], Any]
    """Its value in a new study that leaves it open."""
    check: Callable[[str, Any], object] = lambda flag, value: None
    """(flag, value) -> raises UsageError for a value that breaks the option's rule."""
    changes_trials: bool = False
    """Whether the same parameters are another training under another value, so that a fork carries no trials over."""
    before: Any = None
    """Its value in studies that were stored before the option existed."""


def keep(option: Option) -> Any:
    """Return a field of `StudyOptions`; None means that the option is left open."""
    return field(default=None, metadata={Option: option})


def check_positive(flag: str, value: float) -> None:
    """Raise `UsageError` unless a count or a number of seconds is above 0 and can be stored."""
    if not 0 < value <= LARGEST:
        raise UsageError(f"{flag} must be above 0 (and below 2^31), but got {value}; leave it out for the default")


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What `--budget` allows: the epochs of a number of full trainings, or a time."""

    full_trainings: Fraction | None = None
    seconds: float | None = None


def parse_budget(text: str) -> Effort:
    """Read `20R`, full trainings' worth of epochs, or `2h`, a time.

    Raises:
        UsageError: it is neither, or not above 0.
    """
    # Callers of the Python API may pass a number.
    read = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([rsmhd])", str(text).strip(), re.ASCII | re.IGNORECASE)
    if read is None:
        raise UsageError(
            "--budget is a number of full trainings whose epochs may be spent, such as 20R, or a time, such as 2h "
            f"(30s, 90m, 1d), but got {str(text)[:60]!r}"
        )
    number, unit = Fraction(read[1]), read[2].lower()
    amount = number if unit == "r" else number * SECONDS[unit]
    if not 0 < amount <= LARGEST:
        raise UsageError(
            f"--budget must be above 0 (and below 2^31), but got {str(text)[:60]!r}; leave it out for no limit"
        )
    return Effort(full_trainings=amount) if unit == "r" else Effort(seconds=float(amount))


def _check_share(flag: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"{flag} is a share from 0 to 1, but got {value}; leave it out for the default")


def _check_at_most_thousand(flag: str, value: float) -> None:
    if not 1 <= value <= 1000:
        raise UsageError(f"{flag} must be from 1 to 1000, but got {value}; leave it out for the default")


def _check_fraction(flag: str, value: float) -> None:
    if not 0 < value < 1:
        raise UsageError(
            f"{flag} is the share of the training images that is held back for validation, above 0 and below 1, but "
            f"got {value}; leave it out for the objective's"
        )


GROUPINGS = ("folder",)  # what the images of one group have in common


def _check_grouping(flag: str, value: str) -> None:
    if value not in GROUPINGS:
        raise UsageError(
            f"{flag} folder keeps the images of each folder <class>/<group>/ together, and nothing else is known, but "
            f"got {str(value)[:60]!r}; leave it out for images in <class>/*"
        )


def _list_names(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}"


@dataclass(frozen=True, kw_only=True)
class StudyOptions(Generic[Unset]):
    """One field for each option; continuing a study with another value of any is refused."""

    epochs: int | Unset = keep(
        Option(
            help="Epochs of a full training. Default: the objective's.",
            metavar="E",
            default=lambda objective: objective.epochs,
            check=check_positive,
            changes_trials=True,
        )
    )
    # It does not change trials: its split is compared by fingerprint, and every trial stores its own seed.
    seed: int | Unset = keep(
        Option(
            help="Seed of the study: split, proposals, weights. Default: 0.", metavar="S", default=lambda objective: 0
        )
    )
    train_examples: int | Unset | None = keep(
        Option(
            help="Train on a stratified part only, for quick looks.",
            metavar="N",
            default=lambda objective: objective.train_examples,
            check=check_positive,
            changes_trials=True,
        )
    )
    # What both do to trials is compared by the fingerprints of data and split.
    validation_fraction: float | Unset | None = keep(
        Option(
            help="Share of the training images that is held back for validation. Default: the objective's.",
            metavar="F",
            default=lambda objective: objective.validation_fraction,
            check=_check_fraction,
        )
    )
    group_by: str | Unset | None = keep(
        Option(
            help="folder: images of one <class>/<group>/ stay on one side of the split.",
            metavar="KIND",
            default=lambda objective: None,
            check=_check_grouping,
        )
    )
    sampler: str | Unset = keep(
        Option(
            help=f"{_list_names(SAMPLERS)}. Default: {DEFAULT_SAMPLER}.",
            metavar="NAME",
            default=lambda objective: DEFAULT_SAMPLER,
            check=lambda flag, value: find_sampler(value),
        )
    )
    pruner: str | Unset = keep(
        Option(
            help=f"{_list_names(PRUNERS)}. Default: {DEFAULT_PRUNER}.",
            metavar="NAME",
            default=lambda objective: DEFAULT_PRUNER,
            check=lambda flag, value: find_pruner(value),
        )
    )
    points: int | Unset | None = keep(
        Option(
            help="Values of each range that --sampler grid tries, at equal distances or ratios; one is the middle.",
            metavar="K",
            default=lambda objective: None,
            check=_check_at_most_thousand,
        )
    )
    repeats: int | Unset = keep(
        Option(
            help="Trials of each configuration, which differ by seed; its value is their mean. Default: 1.",
            metavar="R",
            default=lambda objective: 1,
            check=_check_at_most_thousand,
            changes_trials=True,
            before=1,
        )
    )
    audit: float | Unset = keep(
        Option(
            help=f"Share of stopped trials that run on, to see what stopping costs. Default: {DEFAULT_AUDIT_SHARE}.",
            metavar="SHARE",
            default=lambda objective: DEFAULT_AUDIT_SHARE,
            check=_check_share,
            before=0.0,
        )
    )

    def check_options(self) -> None:
        """Raise `UsageError` if an option that is set breaks its rule."""
        for name, option in OPTIONS.items():
            value = getattr(self, name)
            if value is not None:
                option.check(f"--{name.replace('_', '-')}", value)

    def fill(self, other: StudyOptions[Any]) -> Self:
        """Return a copy that has the other's value wherever it leaves an option open."""
        return replace(self, **{name: getattr(other, name) for name in OPTIONS if getattr(self, name) is None})

    def resolve(self, objective: Defaults) -> StudyOptions[Never]:
        """Return every option's value in a new study of the objective."""
        values = {name: getattr(self, name) for name in OPTIONS}
        return StudyOptions(
            **{name: OPTIONS[name].default(objective) if value is None else value for name, value in values.items()}
        )


OPTIONS: dict[str, Option] = {each.name: each.metadata[Option] for each in fields(StudyOptions)}
