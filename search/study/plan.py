"""From flags to a study: the request, what it resolves to on this machine, and the comparison with a stored study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from objectives.core.conditions import describe_advice
from objectives.core.overriding import override_objective
from objectives.data.cache import find_validation, prepare
from objectives.data.files.decoded import Progress
from objectives.data.files.prepared import Prepared, Stamp
from objectives.data.notes import describe_oddities
from objectives.data.splits.divide import split_data
from objectives.data.splits.split import Split
from objectives.discovery import FoundObjective, find_objective
from search.errors import NothingToDo, UsageError
from search.errors.value_types import check_types
from search.settings import Settings
from search.strategies.budgets import check_grid
from search.strategies.policy import describe_policy
from search.study import objective_files
from search.study.options import Effort, StudyOptions, check_positive, parse_budget
from search.study.provenance import find_git_commit, find_package_versions
from search.study.spec import StudySpec
from storage.records.studies import StudyRecord

LARGEST_PRIORITY = 1000


@dataclass(frozen=True, kw_only=True)
class StudyRequest(StudyOptions[None]):
    """What flags ask of a study; None leaves a value to the study or its objective."""

    study: str
    objective: str | None = None
    trials: int | None = None
    budget: str | None = None
    """Full trainings' worth of epochs, `20R`, or time, `2h`."""
    timeout: float | None = None
    """Seconds."""
    experience: str | None = None
    """Studies to learn from: `all`, `shipped`, `none`, or names with commas between."""
    overrides: tuple[str, ...] | None = None
    fork: str | None = None
    """Name of a new study that begins with what `study` has."""
    priority: int | None = None
    """Workers that serve every study serve higher ones first."""

    def __post_init__(self) -> None:
        check_types(self)
        check_name(self.study)
        if self.fork is not None:
            check_name(self.fork)
        if self.trials is not None:
            check_positive("--trials", self.trials)
        if self.timeout is not None:
            check_positive("--timeout", self.timeout)
        if self.priority is not None and not abs(self.priority) <= LARGEST_PRIORITY:
            raise UsageError(
                f"a priority is a whole number from -{LARGEST_PRIORITY} to {LARGEST_PRIORITY}, but got "
                f"{self.priority}; correct it"
            )
        if self._effort.seconds is not None and self.timeout is not None:
            raise UsageError(f"--budget {self.budget} and --timeout both limit the time; give one of them")
        self.check_options()

    @property
    def seconds(self) -> float | None:
        """The time after which training ends; None for any."""
        return self.timeout if self._effort.seconds is None else self._effort.seconds

    def count_epoch_budget(self, epochs: int) -> int | None:
        """Return how many stored epochs end the study, at `epochs` a full training; None if that is left open.

        Raises:
            UsageError: they are more than can be stored.
        """
        full_trainings = self._effort.full_trainings
        if full_trainings is None:
            return None
        budget = math.ceil(full_trainings * epochs)
        check_positive("the epochs of --budget", budget)
        return budget

    @property
    def _effort(self) -> Effort:
        return Effort() if self.budget is None else parse_budget(self.budget)


@dataclass(frozen=True, kw_only=True)
class ResolvedStudy:
    """A study's objective, space and data as this machine finds them."""

    found: FoundObjective
    prepared: Prepared
    split: Split
    spec: StudySpec
    notes: Sequence[str] = ()
    """Sentences for the user about a study that has just been created."""


def check_name(name: str) -> None:
    """Raise `UsageError` unless the name can be a study's and a folder's."""
    printable = name.isprintable() and not name.startswith((".", "-")) and not set(name) & set("/\\\"'")
    # Printable names can be encoded; file systems allow names of 255 bytes.
    if not (printable and name.strip() == name and 0 < len(name.encode()) <= 200):
        raise UsageError(
            "a study's name has 1 to 200 printable characters (fewer if they are not plain ASCII), no slashes or "
            f"quotes, and no dot or dash at its beginning and no space at either end, but got {name[:60]!r}"
        )


def check_scored_here(record: StudyRecord) -> None:
    """Raise `NothingToDo` if the study was moved to another storage, where it is scored."""
    if record.control == "moved":
        raise NothingToDo(f"study {record.name!r} was {record.reason}; score it there")


def resolve_stored(
    record: StudyRecord,
    request: StudyRequest,
    settings: Settings,
    progress: Progress | None = None,
    *,
    searches: bool = True,
    checked: Stamp | None = None,
) -> ResolvedStudy:
    """Return the plan of a stored study, from what this machine has and what the request sets.

    Args:
        searches: whether it is for training trials: only then must the search policy be the study's own.
        checked: as in `prepare`.

    Raises:
        UsageError: something differs from what the study was created with.
    """
    stored = StudySpec.from_json(record.spec)
    asked = fill_from_stored(request, stored)
    if request.objective is None:
        found = objective_files.recall(settings.home, stored)
    else:
        found = find_objective(request.objective)
    if found.objective.data != stored.dataset:
        # Refused before the other data set is looked for or downloaded.
        raise UsageError(
            f"study {record.name!r} was created with objective {stored.objective!r} on {stored.dataset!r} and "
            f"cannot continue with {found.name!r} on {found.objective.data!r}; drop --objective, start a "
            "study of another name, or one that learns from this with --fork NAME"
        )
    if stored.validation_fraction is None and not stored.validation_folder:  # of an earlier version
        fraction = found.objective.validation_fraction
        stored = replace(stored, validation_fraction=fraction)
        asked = asked if asked.validation_fraction is not None else replace(asked, validation_fraction=fraction)
    stored.check_same_images(record.name, asked)
    plan = resolve_with_objective(found, asked, settings, progress, checked, validation_folder=stored.validation_folder)
    # The networks to reuse and the studies to learn from are in the storage: who has it open compares them.
    plan = replace(plan, spec=replace(plan.spec, sources=stored.sources, experience=stored.experience))
    stored.check_same(record.name, plan.spec)
    if searches:
        stored.check_policy(record.name, plan.spec.policy)
    return plan


def fill_from_stored(request: StudyRequest, stored: StudySpec) -> StudyRequest:
    """Return the request with the study's own values wherever it leaves one open."""
    overrides = tuple(stored.overrides) if request.overrides is None else request.overrides
    return replace(request.fill(stored), overrides=overrides)


def resolve_new(
    request: StudyRequest,
    settings: Settings,
    progress: Progress | None = None,
    *,
    validation_folder: bool | None = None,
) -> ResolvedStudy:
    """Return the plan of a new study, without what only the storage knows (sources, experience).

    validation_folder: as in `prepare`.
    """
    found = find_objective(request.objective or request.study)
    objective_files.remember(settings.home, found)
    plan = resolve_with_objective(found, request, settings, progress, validation_folder=validation_folder)
    advice = () if plan.found.objective.train else describe_advice(plan.found.objective.space)
    return replace(plan, notes=(*advice, *describe_oddities(plan.prepared, settings.data, settings.cache)))


def resolve_with_objective(
    found: FoundObjective,
    request: StudyRequest,
    settings: Settings,
    progress: Progress | None = None,
    checked: Stamp | None = None,
    *,
    validation_folder: bool | None = None,
) -> ResolvedStudy:
    """Return the plan of a new study of this objective, without what only the storage knows (sources, experience).

    validation_folder: as in `prepare`.
    """
    objective = override_objective(found.objective, request.overrides or ())
    found = replace(found, objective=objective)
    options = request.resolve(objective)
    check_grid(options, objective.space)
    if validation_folder is not False and request.validation_fraction is not None:
        _refuse_both(request.validation_fraction, find_validation(objective.data, settings.data, settings.cache))
    prepared = prepare(
        objective.data,
        settings.data,
        settings.cache,
        image_size=objective.image_size,
        progress=progress,
        checked=checked,
        validation_folder=validation_folder,
        grouped=options.group_by is not None,
    )
    if prepared.validation_examples:
        options = replace(options, validation_fraction=None)
    objective.check_images(prepared.image_shape)
    objective.check_epochs(options.epochs)
    parts = split_data(prepared, options.validation_fraction, options.seed, options.train_examples, objective.classes)
    spec = StudySpec(
        **vars(options),
        objective=found.name,
        objective_hash=found.source_hash,
        objective_files=found.files,
        overrides=list(request.overrides or ()),
        space=objective.space.to_json(),
        space_digest=objective.space.digest,
        dataset=objective.data,
        validation_folder=prepared.validation_examples > 0,
        data_fingerprint=prepared.fingerprint,
        split_fingerprint=parts.fingerprint,
        policy=describe_policy(options.sampler, options.pruner),
        versions=find_package_versions(),
        git_commit=find_git_commit(found.path.parent),
    )
    return ResolvedStudy(found=found, prepared=prepared, split=parts, spec=spec)


def _refuse_both(fraction: float, folder: Path | None) -> None:
    if folder is not None:
        raise UsageError(
            f"--validation-fraction {fraction} splits validation images off train/, but {folder} has validation images "
            "already; leave the flag out, or move the folder away"
        )
