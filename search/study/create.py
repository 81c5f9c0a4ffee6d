"""Creating a study, opening one that exists, and letting its workers start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from objectives.base.names import is_path
from objectives.data.cache import find_missing_test_folder
from objectives.data.files.decoded import Progress
from objectives.discovery import objective_names
from search.errors import UsageError
from search.settings import Settings
from search.strategies import plan_warnings, policy
from search.strategies.budgets import check_trials, choose_trials
from search.strategies.foresight import expect_trials
from search.strategies.registry import find_pruner
from search.study import prior_studies, source_networks
from search.study.plan import ResolvedStudy, StudyRequest, resolve_new, resolve_stored
from search.study.spec import StudySpec
from search.study.status import read_budget
from spaces.suggestions import find_close
from storage.database import Database
from storage.errors import StudyExists, UnknownStudy, format_command
from storage.records import studies
from storage.records.studies import StudyRecord

# The largest share of its trials that a study spends on what earlier studies found best.
STARTING_SHARE = 1 / 3


@dataclass(frozen=True, kw_only=True)
class NewBudget:
    """What a new study may spend: a number of trials, of epochs, or both."""

    trials: int | None
    epochs: int | None
    expected: int
    """About how many trials that will be."""


def create_or_continue(
    database: Database, request: StudyRequest, settings: Settings, progress: Progress | None = None
) -> tuple[StudyRecord, ResolvedStudy]:
    """Create the study that the request names, or open it if it exists.

    Raises:
        UsageError: it exists and was created with other values.
        ObjectiveError, DataError, SpaceError: the request names nothing that can be trained.
    """
    try:
        return resume_study(database, request, settings, progress)
    except UnknownStudy as missing:
        _check_name(request, missing.known)
        plan = attach_sources(database, resolve_new(request, settings, progress), settings)
        experience = prior_studies.choose_prior_studies(database.engine, plan.found.objective.space, request.experience)
        plan = replace(plan, spec=replace(plan.spec, experience=experience))
        budget, spec = choose_budget(request, plan), plan.spec.to_json()
        starts = propose_starting_points(database, plan, budget.expected)
        try:
            with studies.create_atomically(
                database,
                request.study,
                spec,
                budget.trials,
                epoch_budget=budget.epochs,
                priority=request.priority or 0,
            ) as draft:
                for start in starts:
                    draft.study.enqueue_trial(start)
        except StudyExists:  # another `run` was quicker
            return resume_study(database, request, settings, progress)
        record = studies.get(database.engine, request.study)
        return record, replace(plan, notes=[*plan.notes, *warn_about_plan(plan, budget.expected, settings)])


def _check_name(request: StudyRequest, studies_here: Sequence[str]) -> None:
    """Refuse the name of a new study that is also to name its objective, if it rather is a stored study's, misspelt."""
    name = request.study
    if request.objective is not None or is_path(name) or name in objective_names():
        return
    if close := find_close(name, studies_here):
        objectives = find_close(name, objective_names())
        also = f", or the objective {' or '.join(objectives)}" if objectives else ""
        raise UsageError(
            f"neither a study nor an objective is called {name!r}; did you mean the study {' or '.join(close)}{also}? "
            "A new study of that name needs --objective"
        )


def resume_study(
    database: Database, request: StudyRequest, settings: Settings, progress: Progress | None = None
) -> tuple[StudyRecord, ResolvedStudy]:
    """Open the study that the request names; raise its budget and change its priority if the request asks for it.

    Raises:
        UnknownStudy: there is no such study.
        UsageError: it was created with other values, or has a larger budget, or was moved to another storage, or has
            trials left to train and another search policy than this program.
    """
    record = studies.get(database.engine, request.study)
    check_not_moved(record)
    plan = resolve_stored(record, request, settings, progress, searches=False)
    check_policy(database, record, request, plan)
    prior_studies.check_unchanged(database.engine, record, request.experience)
    source_networks.fetch_sources(database.engine, record.name, plan.spec, plan.found.objective, settings.data)
    change_study(database, record, request, plan)
    return studies.get(database.engine, record.name), plan


def choose_budget(request: StudyRequest, plan: ResolvedStudy) -> NewBudget:
    """Return the budget of a new study: what the request sets, else the objective's number of trials."""
    epochs, objective = request.count_epoch_budget(plan.spec.epochs), plan.found.objective
    trials = choose_trials(plan.spec, objective.space, request.trials, None if epochs else objective.trials)
    foresee = find_pruner(plan.spec.pruner).choose_foresight(trials, plan.spec.repeats)
    return NewBudget(trials=trials, epochs=epochs, expected=expect_trials(foresee, trials, epochs, plan.spec.epochs))


def check_not_moved(record: StudyRecord) -> None:
    """Raise `UsageError` if the study was moved to another storage."""
    if record.control == "moved":
        raise UsageError(f"study {record.name!r} was {record.reason}; continue it there")


def check_policy(database: Database, record: StudyRecord, request: StudyRequest, plan: ResolvedStudy) -> None:
    """Refuse to train more trials with another policy than the study's; one whose budget is spent trains none.

    Raises:
        UsageError: the request, or the budget as it is, lets the study have more trials.
    """
    stored = StudySpec.from_json(record.spec)
    if stored.policy == plan.spec.policy:
        return
    asked = (request.trials, request.count_epoch_budget(stored.epochs))
    same = all(new in (None, old) for new, old in zip(asked, (record.trials, record.epoch_budget), strict=True))
    if not same or read_budget(database, record).left != 0:
        stored.check_policy(record.name, plan.spec.policy)


def change_study(database: Database, record: StudyRecord, request: StudyRequest, plan: ResolvedStudy) -> None:
    """Let the study have the request's trials or epochs, and its priority; what the request leaves open stays.

    Raises:
        UsageError: it has a larger budget already, or cannot have such a number of trials.
    """
    if request.trials is not None:
        check_trials(plan.spec, plan.found.objective.space, request.trials)
    epoch_budget = request.count_epoch_budget(StudySpec.from_json(record.spec).epochs)
    for before, asked, what in (
        (record.trials, request.trials, "trials"),
        (record.epoch_budget, epoch_budget, "epochs"),
    ):
        if before is not None and asked is not None and asked < before:
            raise UsageError(
                f"study {record.name!r} has a budget of {before} {what}, which may be raised but not "
                f"lowered to {asked}; use `{format_command('stop', '--study', record.name)}` to end it early"
            )
    if request.trials is not None or epoch_budget is not None:
        studies.raise_budget(database.engine, record.study_id, request.trials, epoch_budget)
    if request.priority is not None:
        studies.set_priority(database.engine, record.study_id, request.priority)


def start_study(database: Database, study_id: int, seconds: float | None) -> None:
    """Let workers train the study's trials: lift a stop or pause, and end them after `seconds` unless it is None."""
    studies.set_deadline(database.engine, study_id, seconds)
    studies.set_control(database.engine, study_id, "run")


def attach_sources(database: Database, plan: ResolvedStudy, settings: Settings) -> ResolvedStudy:
    """Return the plan of a new study with the networks and files of weights that its trials reuse in its record."""
    objective, image_shape = plan.found.objective, plan.prepared.image_shape
    spec = source_networks.bind_sources(database.engine, plan.spec, objective, image_shape, settings.data)
    return replace(plan, spec=spec)


def propose_starting_points(database: Database, plan: ResolvedStudy, trials: int) -> list[dict[str, Any]]:
    """Return the parameters of a new study's first trials; empty unless it learns from earlier studies.

    trials: about how many the study will have.
    """
    setting = prior_studies.build_setting(database.engine, plan, trials)
    sampler, _ = policy.build_strategies(plan.spec.sampler, plan.spec.pruner, setting)
    return policy.propose_starting_points(sampler)[: int(trials / plan.spec.repeats * STARTING_SHARE)]


def warn_about_plan(plan: ResolvedStudy, trials: int, settings: Settings) -> list[str]:
    """Return a sentence for each part of a study's plan that cannot work here or with about this number of trials."""
    warnings = plan_warnings.warn_about_plan(
        plan.spec.sampler,
        plan.spec.pruner,
        plan.found.objective.space,
        trials=-(-trials // plan.spec.repeats),
        epochs=plan.spec.epochs,
    )
    missing = find_missing_test_folder(plan.spec.dataset, settings.data, settings.cache)
    if missing is not None:
        warnings.append(f"there is no test part, {missing}, which `search final` needs where it will run")
    return warnings
