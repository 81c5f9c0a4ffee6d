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
from search import policy, sources, trusted
from search.errors import NothingToDo, UsageError
from search.settings import Settings
from search.spec import StudySpec
from search.versions import git_commit, versions
from spaces import override
from storage import studies
from storage.database import Database
from storage.errors import StudyExists, UnknownStudy
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
    overrides: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_name(self.study)
        for name in ("trials", "epochs", "train_examples", "timeout"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= LARGEST:
                flag = name.replace("_", "-")
                raise UsageError(
                    f"--{flag} must be above 0 (and below 2^31), but got {value}; leave it out for the default"
                )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study's objective, space and data as this machine finds them."""

    found: FoundObjective
    prepared: Prepared
    split: Split
    spec: StudySpec


def check_name(name: str) -> None:
    """Raise `UsageError` for a name that cannot be a study's (and a folder's)."""
    printable = name.isprintable() and not name.startswith((".", "-")) and not set(name) & set("/\\\"'")
    # Names that are printable can be encoded; of a file's name, systems take 255 bytes.
    if not (printable and name.strip() == name and 0 < len(name.encode()) <= 200):
        raise UsageError(
            "a study's name has 1 to 200 printable characters (fewer where they are not plain ASCII), no slashes "
            f"or quotes, but got {name[:60]!r}"
        )


def create_or_continue(
    database: Database, request: Request, settings: Settings, progress: Progress | None = None
) -> tuple[StudyRecord, Plan]:
    """The study that the request names, made if it is not there.

    Raises:
        UsageError: it is there and the request asks for other values.
        ObjectiveError, DataError, SpaceError: the request resolves to nothing that can be trained.
    """
    try:
        return resume(database, request, settings, progress)
    except UnknownStudy:
        plan = _with_sources(database, resolve(request, settings, progress))
        trials = request.trials or plan.found.objective.trials
        try:
            record = studies.create(database, request.study, plan.spec.to_json(), trials)
        except StudyExists:  # another `run` was quicker
            return resume(database, request, settings, progress)
        studies.set_deadline(database.engine, record.study_id, request.timeout)
        return record, plan


def resume(
    database: Database, request: Request, settings: Settings, progress: Progress | None = None
) -> tuple[StudyRecord, Plan]:
    """The study that the request names, ready to go on; refuses to make one.

    Raises:
        UnknownStudy: it is not there.
        UsageError: the request asks for other values than it was created with.
    """
    record = studies.get(database.engine, request.study)
    if record.control == "moved":
        raise UsageError(f"study {record.name!r} was {record.reason}; continue it there")
    plan = rebuild(record, request, settings, progress)
    sources.fetch(database.engine, record.name, plan.spec, plan.found.objective)
    if request.trials is not None:
        if request.trials < record.trials:
            raise UsageError(
                f"study {record.name!r} has a budget of {record.trials} trials, which may be raised but not "
                f"lowered to {request.trials}; use `search stop --study {record.name}` to end it early"
            )
        studies.raise_budget(database.engine, record.study_id, request.trials)
    studies.set_deadline(database.engine, record.study_id, request.timeout)
    studies.set_control(database.engine, record.study_id, "run")
    return studies.get(database.engine, record.name), plan


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
    asked = Request(
        study=record.name,
        objective=request.objective,
        epochs=request.epochs or stored.epochs,
        seed=stored.seed if request.seed is None else request.seed,
        train_examples=request.train_examples or stored.train_examples,
        sampler=request.sampler or stored.sampler,
        pruner=request.pruner or stored.pruner,
        overrides=request.overrides if request.overrides is not None else tuple(stored.overrides),
    )
    if request.objective is None:
        found = trusted.recall(settings.home, stored.objective, stored.objective_hash)
    else:
        found = find(request.objective)
    if found.objective.data != stored.dataset:
        # Said before that data set is looked for, or downloaded.
        raise UsageError(
            f"study {record.name!r} was created with objective {stored.objective!r} on {stored.dataset!r} and "
            f"cannot continue with {found.name!r} on {found.objective.data!r}; drop --objective, or start a "
            "study of another name"
        )
    plan = _resolve(found, asked, settings, progress)
    # Networks to reuse are in the storage: `sources.fetch` compares them, where they are needed.
    plan = replace(plan, spec=replace(plan.spec, sources=stored.sources))
    stored.check_same(record.name, plan.spec)
    return plan


def resolve(request: Request, settings: Settings, progress: Progress | None = None) -> Plan:
    """The plan of a new study."""
    found = find(request.objective or request.study)
    if found.path.parent != Path(__file__).parent.parent / "objectives":
        trusted.remember(settings.home, found)
    return _resolve(found, request, settings, progress)


def _resolve(found: FoundObjective, request: Request, settings: Settings, progress: Progress | None) -> Plan:
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
        versions=versions(),
        git_commit=git_commit(found.path.parent),
    )
    return Plan(found=found, prepared=prepared, split=parts, spec=spec)


def _with_sources(database: Database, plan: Plan) -> Plan:
    objective, image_shape = plan.found.objective, plan.prepared.image_shape
    return replace(plan, spec=sources.bound(database.engine, plan.spec, objective, image_shape))


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
