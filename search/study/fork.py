"""Forking: a new study in a changed space that takes over the trials of another one that still fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import optuna
from optuna.trial import FrozenTrial, TrialState

from objectives.data.files.decoded import Progress
from search.settings import Settings
from search.strategies.budgets import share_slots
from search.strategies.gp.prior_study import FEWEST_TRIALS
from search.study import create, prior_studies
from search.study.compatibility import Compatibility
from search.study.objective_files import recall
from search.study.plan import ResolvedStudy, StudyRequest, fill_from_stored, resolve_new, resolve_with_objective
from search.study.spec import StudySpec
from spaces import Space
from storage.copying.trials import TrialCopy, copy_trials
from storage.database import Database
from storage.errors import StudyExists
from storage.optuna_adapter import get_study_id, get_trial_id
from storage.records import studies
from storage.records.studies import StudyRecord

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def fork_study(
    database: Database, request: StudyRequest, settings: Settings, progress: Progress | None = None
) -> tuple[StudyRecord, ResolvedStudy]:
    """Create the study `request.fork` from `request.study`, which stays as it is.

    The new study has the old one's values, except those that the request sets. If the same parameters mean the same
    training in both, trials that fit the new space are carried over as finished trials of the new study; otherwise it
    learns from them. The budget that the request sets is for further trials.

    Raises:
        UnknownStudy: there is no study to fork.
        StudyExists: the new name is taken.
    """
    assert request.fork is not None
    old = studies.get(database.engine, request.study)
    if request.fork in studies.list_names(database.engine):  # before anything is decoded
        raise StudyExists(f"a study {request.fork!r} is kept here already; choose another name")
    stored = StudySpec.from_json(old.spec)
    plan = create.attach_sources(database, _resolve(request, stored, settings, progress), settings)
    finished = _read_finished_trials(database, old)
    differences = stored.differences_of_trials(plan.spec)
    space = plan.found.objective.space
    shared = share_slots(plan.spec).are_shared
    carried = [] if differences or shared else _select_copies(finished, old, stored, space)
    experience = prior_studies.choose_prior_studies(
        database.engine, space, request.experience, parent=old, carried=bool(carried)
    )
    plan = replace(plan, spec=replace(plan.spec, experience=experience))
    budget = create.choose_budget(request, plan)
    trials = None if budget.trials is None else len(carried) + budget.trials
    epochs = None if budget.epochs is None else _count_epochs(finished, carried) + budget.epochs
    # With this many trials of its own, the study needs no configurations from others to start with.
    starts = create.propose_starting_points(database, plan, budget.expected) if len(carried) < FEWEST_TRIALS else []
    spec = plan.spec.to_json()
    with studies.create_atomically(
        database, request.fork, spec, trials, epoch_budget=epochs, priority=request.priority or 0
    ) as draft:
        copy_trials(draft.connection, get_study_id(draft.study), carried, space.distributions())
        for start in starts:
            draft.study.enqueue_trial(start)
    made = studies.get(database.engine, request.fork)
    notes = [
        *plan.notes,
        *_describe_fork(old, stored, plan, len(finished), None if shared else len(carried), differences),
        *create.warn_about_plan(plan, len(carried) + budget.expected, settings),
    ]
    return made, replace(plan, notes=notes)


def _resolve(request: StudyRequest, stored: StudySpec, settings: Settings, progress: Progress | None) -> ResolvedStudy:
    """Return the new study's plan: the old one's values, except those that the request sets."""
    overrides = _merge_overrides(stored.overrides, request.overrides or ())
    asked = replace(fill_from_stored(request, stored), overrides=overrides)
    # A folder val/ that came after the study stays unused.
    folder = None if stored.validation_folder else False
    if request.objective is not None:
        return resolve_new(asked, settings, progress, validation_folder=folder)
    found = recall(settings.home, stored)
    return resolve_with_objective(found, asked, settings, progress, validation_folder=folder)


def _merge_overrides(before: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """Return both, without the old overrides of names that have a new one.

    Applied first, an old override such as `optimizer=sgd,adam` would leave a new one no other choices.
    """
    renewed = {text.partition("=")[0].strip() for text in asked}
    return (*(text for text in before if text.partition("=")[0].strip() not in renewed), *asked)


def _read_finished_trials(database: Database, record: StudyRecord) -> list[FrozenTrial]:
    study = optuna.load_study(study_name=record.name, storage=database.history)
    return study.get_trials(deepcopy=False, states=FINISHED)


def _select_copies(
    finished: Sequence[FrozenTrial], old: StudyRecord, stored: StudySpec, space: Space
) -> list[TrialCopy]:
    """Return the trials that fit the new space, with their parameters there."""
    compatibility = Compatibility(stored.read_space(), space)
    fitted = ((trial, compatibility.parameters(trial.params)) for trial in finished)
    return [
        TrialCopy(trial_id=get_trial_id(trial), parameters=parameters, origin=f"{old.name} #{trial.number}")
        for trial, parameters in fitted
        if parameters is not None
    ]


def _count_epochs(finished: Sequence[FrozenTrial], carried: Sequence[TrialCopy]) -> int:
    """Return how many epochs the trials that are carried over bring along."""
    copied = {copy.trial_id for copy in carried}
    return sum(len(trial.intermediate_values) for trial in finished if get_trial_id(trial) in copied)


def _describe_fork(
    old: StudyRecord,
    stored: StudySpec,
    plan: ResolvedStudy,
    finished: int,
    carried: int | None,
    differences: Sequence[str],
) -> list[str]:
    """Return sentences about what became of the old study's trials.

    carried: None if the new study trains every configuration itself, as a grid and repeats do.
    """
    learns = old.uuid in (plan.spec.experience or {})
    use = "the new study only learns from them" if learns else "the new study does not learn from them either"
    if differences:
        why = "; ".join(differences)
        return [
            f"no trial of study {old.name!r} is carried over, because the same parameters are another training now "
            f"({why}); {use}"
        ]
    if carried is None:
        return [
            f"no trial of study {old.name!r} is carried over, because with --sampler grid or --repeats the new study "
            f"trains every configuration itself; {use}"
        ]
    if not carried:
        return [f"none of the {finished} finished trials of study {old.name!r} fits the new space; {use}"]
    notes = [f"{carried} of {finished} finished trials of study {old.name!r} are carried over"]
    if stored.objective_hash != plan.spec.objective_hash:
        notes.append(
            f"the file of objective {stored.objective!r} has changed since study {old.name!r} was created, whose "
            "trials are carried over as if it still trained the same; start a study of another name if it does not"
        )
    return notes
