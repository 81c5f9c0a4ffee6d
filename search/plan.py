"""From flags to a study: what is asked for, what it resolves to, and whether it is what the study has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from objectives.core.discovery import FoundObjective, find
from objectives.data.cache import prepare
from objectives.data.classes import members
from objectives.data.decoded import Progress
from objectives.data.prepared import Prepared
from objectives.data.split import Split, split, subset
from search import policy, trusted
from search.errors import NothingToDo, UsageError
from search.settings import Settings
from search.spec import StudySpec
from search.versions import git_commit, versions
from spaces import override
from storage.studies import StudyRecord

# For counts and seconds alike: what fits into the storage's columns, and into a century.
LARGEST = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Request:
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
class Plan:
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


def rebuild(record: StudyRecord, request: Request, settings: Settings, progress: Progress | None = None) -> Plan:
    """The plan of a stored study, from what this machine has and what the request insists on.

    Raises:
        UsageError: something differs from what the study was created with.
    """
    stored = StudySpec.from_json(record.spec)
    asked = as_stored(request, stored)
    if request.objective is None:
        found = trusted.recall(settings.home, stored.objective, stored.objective_hash)
    else:
        found = find(request.objective)
    if found.objective.data != stored.dataset:
        # Said before that data set is looked for, or downloaded.
        raise UsageError(
            f"study {record.name!r} was created with objective {stored.objective!r} on {stored.dataset!r} and "
            f"cannot continue with {found.name!r} on {found.objective.data!r}; drop --objective, start a "
            "study of another name, or one that learns from this with --fork NAME"
        )
    plan = resolve_found(found, asked, settings, progress)
    # Networks to reuse and studies to learn from are in the storage: they are compared where that is at hand.
    plan = replace(plan, spec=replace(plan.spec, sources=stored.sources, experience=stored.experience))
    stored.check_same(record.name, plan.spec)
    return plan


def as_stored(request: Request, stored: StudySpec) -> Request:
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


def resolve(request: Request, settings: Settings, progress: Progress | None = None) -> Plan:
    """The plan of a new study."""
    found = find(request.objective or request.study)
    if found.path.parent != Path(__file__).parent.parent / "objectives":
        trusted.remember(settings.home, found)
    return resolve_found(found, request, settings, progress)


def resolve_found(
    found: FoundObjective, request: Request, settings: Settings, progress: Progress | None = None
) -> Plan:
    """The plan of a new study of this objective; what is in the storage is still missing in it."""
    # A changed space is held against the same conditions as the one that was declared.
    space = override(found.objective.space, request.overrides or ())
    objective = replace(found.objective, space=space)
    found = replace(found, objective=objective)
    seed = request.seed or 0
    sampler, pruner = request.sampler or policy.DEFAULT_SAMPLER, request.pruner or policy.DEFAULT_PRUNER
    policy.check(sampler, pruner)
    prepared = prepare(
        objective.data, settings.data, settings.cache, image_size=objective.image_size, progress=progress
    )
    objective.check_images(prepared.image_shape)
    objective.check_epochs(request.epochs or objective.epochs)
    train_examples = request.train_examples or objective.train_examples
    parts = divide(prepared, objective.validation_fraction, seed, train_examples, objective.classes)
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
        audit=policy.AUDIT if request.audit is None else request.audit,
        versions=versions(),
        git_commit=git_commit(found.path.parent),
    )
    return Plan(found=found, prepared=prepared, split=parts, spec=spec)


def divide(
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
    parts = split(labels, validation_fraction, seed, members(prepared.name, labels, prepared.classes, classes))
    if train_examples is None:
        return parts
    return replace(parts, train=subset(labels, parts.train, train_examples, seed))
