"""From flags to a study: what is asked for, what it resolves to, and whether it is what the study has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from objectives.data.cache import prepare
from objectives.data.files.decoded import Progress
from objectives.data.files.prepared import Prepared
from objectives.data.splits.classes import find_members
from objectives.data.splits.split import Split, draw_subset, split_examples
from objectives.discovery import FoundObjective, find_objective
from search.errors import NothingToDo, UsageError
from search.settings import Settings
from search.strategies import policy
from search.strategies.registry import DEFAULT_PRUNER, DEFAULT_SAMPLER, check_names
from search.study import objective_files
from search.study.provenance import find_git_commit, find_package_versions
from search.study.spec import StudySpec
from spaces import override
from storage.records.studies import StudyRecord

# For counts and seconds alike: what fits into the storage's columns, and into a century.
LARGEST = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """What flags ask of a study; None where the study's or the objective's own value is meant."""

    study: str
    objective: str | None = None
    trials: int | None = None
    timeout: float | None = None
    epochs: int | None = None
    seed: int | None = None
    train_examples: int | None = None
    sampler: str | None = None
    pruner: str | None = None
    audit: float | None = None
    experience: str | None = None
    """Studies to learn from: `all`, `shipped`, `none`, or names with commas between."""
    overrides: tuple[str, ...] | None = None
    fork: str | None = None
    """Name of a new study that is to begin with what `study` has."""

    def __post_init__(self) -> None:
        check_name(self.study)
        if self.fork is not None:
            check_name(self.fork)
        for name in ("trials", "epochs", "train_examples", "timeout"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= LARGEST:
                flag = name.replace("_", "-")
                raise UsageError(
                    f"--{flag} must be above 0 (and below 2^31), but got {value}; leave it out for the default"
                )
        if self.audit is not None and not 0 <= self.audit <= 1:
            raise UsageError(f"--audit is a share from 0 to 1, but got {self.audit}; leave it out for the default")


@dataclass(frozen=True, kw_only=True)
class ResolvedStudy:
    """A study's objective, space and data as this machine finds them."""

    found: FoundObjective
    prepared: Prepared
    split: Split
    spec: StudySpec
    notes: Sequence[str] = ()
    """What its user should know, in sentences; of a study that has just been made."""


def check_name(name: str) -> None:
    """Raise `UsageError` for a name that cannot be a study's (and a folder's)."""
    printable = name.isprintable() and not name.startswith((".", "-")) and not set(name) & set("/\\\"'")
    # Names that are printable can be encoded; of a file's name, systems take 255 bytes.
    if not (printable and name.strip() == name and 0 < len(name.encode()) <= 200):
        raise UsageError(
            "a study's name has 1 to 200 printable characters (fewer where they are not plain ASCII), no slashes "
            f"or quotes, but got {name[:60]!r}"
        )


def check_scored_here(record: StudyRecord) -> None:
    """Refuse to score a study that went on to another storage.

    Raises:
        NothingToDo: it is to be scored there.
    """
    if record.control == "moved":
        raise NothingToDo(f"study {record.name!r} was {record.reason}; score it there")


def resolve_stored(
    record: StudyRecord,
    request: StudyRequest,
    settings: Settings,
    progress: Progress | None = None,
    *,
    searches: bool = True,
) -> ResolvedStudy:
    """The plan of a stored study, from what this machine has and what the request insists on.

    Args:
        searches: Whether it is for training trials: only then the search policy must be the study's own.

    Raises:
        UsageError: something differs from what the study was created with.
    """
    stored = StudySpec.from_json(record.spec)
    asked = fill_from_stored(request, stored)
    if request.objective is None:
        found = objective_files.recall(settings.home, stored.objective, stored.objective_hash)
    else:
        found = find_objective(request.objective)
    if found.objective.data != stored.dataset:
        # Said before that data set is looked for, or downloaded.
        raise UsageError(
            f"study {record.name!r} was created with objective {stored.objective!r} on {stored.dataset!r} and "
            f"cannot continue with {found.name!r} on {found.objective.data!r}; drop --objective, start a "
            "study of another name, or one that learns from this with --fork NAME"
        )
    plan = resolve_with_objective(found, asked, settings, progress)
    # Networks to reuse and studies to learn from are in the storage: they are compared where that is at hand.
    plan = replace(plan, spec=replace(plan.spec, sources=stored.sources, experience=stored.experience))
    stored.check_same(record.name, plan.spec)
    if searches:
        stored.check_policy(record.name, plan.spec.policy)
    return plan


def fill_from_stored(request: StudyRequest, stored: StudySpec) -> StudyRequest:
    """The request with a study's own values wherever it leaves one open."""
    return replace(
        request,
        epochs=request.epochs or stored.epochs,
        seed=stored.seed if request.seed is None else request.seed,
        train_examples=request.train_examples or stored.train_examples,
        sampler=request.sampler or stored.sampler,
        pruner=request.pruner or stored.pruner,
        audit=stored.audit if request.audit is None else request.audit,
        overrides=request.overrides if request.overrides is not None else tuple(stored.overrides),
    )


def resolve_new(request: StudyRequest, settings: Settings, progress: Progress | None = None) -> ResolvedStudy:
    """The plan of a new study."""
    found = find_objective(request.objective or request.study)
    objective_files.remember(settings.home, found)
    return resolve_with_objective(found, request, settings, progress)


def resolve_with_objective(
    found: FoundObjective, request: StudyRequest, settings: Settings, progress: Progress | None = None
) -> ResolvedStudy:
    """The plan of a new study of this objective; what is in the storage is still missing in it."""
    # A changed space is held against the same conditions as the one that was declared.
    space = override(found.objective.space, request.overrides or ())
    objective = replace(found.objective, space=space)
    found = replace(found, objective=objective)
    seed = request.seed or 0
    sampler, pruner = request.sampler or DEFAULT_SAMPLER, request.pruner or DEFAULT_PRUNER
    check_names(sampler, pruner)
    prepared = prepare(
        objective.data, settings.data, settings.cache, image_size=objective.image_size, progress=progress
    )
    objective.check_images(prepared.image_shape)
    objective.check_epochs(request.epochs or objective.epochs)
    train_examples = request.train_examples or objective.train_examples
    parts = split_data(prepared, objective.validation_fraction, seed, train_examples, objective.classes)
    spec = StudySpec(
        objective=found.name,
        objective_hash=found.source_hash,
        overrides=list(request.overrides or ()),
        space=[list(row) for row in space.describe()],
        space_digest=space.digest,
        epochs=request.epochs or objective.epochs,
        seed=seed,
        dataset=objective.data,
        data_fingerprint=prepared.fingerprint,
        split_fingerprint=parts.fingerprint,
        train_examples=train_examples,
        sampler=sampler,
        pruner=pruner,
        policy=policy.describe_policy(sampler, pruner),
        audit=policy.AUDIT_SHARE if request.audit is None else request.audit,
        versions=find_package_versions(),
        git_commit=find_git_commit(found.path.parent),
    )
    return ResolvedStudy(found=found, prepared=prepared, split=parts, spec=spec)


def split_data(
    prepared: Prepared,
    validation_fraction: float,
    seed: int,
    train_examples: int | None,
    classes: Sequence[str] | None = None,
) -> Split:
    """The train/validation split of a study, of the examples of `classes` only where these are named.

    train_examples: trains on a stratified part of the training side; the whole of it stays the split's pool.

    Raises:
        DataError: the classes are not the data set's, or have too few examples.
    """
    labels = prepared.labels()
    # By the data set's own numbers: the order in which classes are named does not change the split.
    parts = split_examples(
        labels, validation_fraction, seed, find_members(prepared.name, labels, prepared.classes, classes)
    )
    if train_examples is None:
        return parts
    return replace(parts, train=draw_subset(labels, parts.train, train_examples, seed))
