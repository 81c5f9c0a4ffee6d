"""Forking: a new study in a changed space that takes over the trials of another one that still fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import optuna
from optuna.trial import FrozenTrial, TrialState

from objectives.data.files.decoded import Progress
from search.settings import Settings
from search.strategies.gp.prior_models import FEWEST_TRIALS
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
    """The study `request.fork`, made as `request.study` is but for what the request asks for; that one stays.

    Trials are carried over where the same parameters mean the same training, and count as finished ones of the
    new study; otherwise it learns from them. `--trials` is how many more it is to have.

    Raises:
        UnknownStudy: there is nothing to fork.
        StudyExists: the new name is taken.
    """
    assert request.fork is not None
    old = studies.get(database.engine, request.study)
    if request.fork in studies.names(database.engine):  # before anything is decoded
        raise StudyExists(f"a study {request.fork!r} is kept here already; choose another name")
    stored = StudySpec.from_json(old.spec)
    plan = create.attach_sources(database, _resolve(request, stored, settings, progress))
    finished = _finished(database, old)
    differences = stored.differences_of_trials(plan.spec)
    space = plan.found.objective.space
    carried = [] if differences else _select_copies(finished, old, stored, space)
    learnt = prior_studies.choose_prior_studies(
        database.engine, space, request.experience, parent=old, carried=bool(carried)
    )
    plan = replace(plan, spec=replace(plan.spec, experience=learnt))
    more = request.trials or plan.found.objective.trials
    trials = len(carried) + more
    # A study with many trials knows better than others where to go on.
    starts = create.propose_starting_points(database, plan, more) if len(carried) < FEWEST_TRIALS else []
    with studies.create_atomically(database, request.fork, plan.spec.to_json(), trials) as draft:
        copy_trials(draft.connection, get_study_id(draft.study), carried, space.distributions())
        for start in starts:
            draft.study.enqueue_trial(start)
    made = studies.get(database.engine, request.fork)
    notes = [
        *_describe_fork(old, stored, plan, len(finished), len(carried), differences),
        *create.list_warnings(plan, trials),
    ]
    return made, replace(plan, notes=notes)


def _resolve(request: StudyRequest, stored: StudySpec, settings: Settings, progress: Progress | None) -> ResolvedStudy:
    """The new study's plan: the old one's, with what is asked for in its place."""
    asked = replace(fill_from_stored(request, stored), overrides=_overrides(stored.overrides, request.overrides or ()))
    if request.objective is not None:
        return resolve_new(asked, settings, progress)
    return resolve_with_objective(
        recall(settings.home, stored.objective, stored.objective_hash), asked, settings, progress
    )


def _overrides(before: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """Both, but of what is set anew only the new: an old choice of some would hide the others."""
    anew = {text.partition("=")[0].strip() for text in asked}
    return (*(text for text in before if text.partition("=")[0].strip() not in anew), *asked)


def _finished(database: Database, record: StudyRecord) -> list[FrozenTrial]:
    study = optuna.load_study(study_name=record.name, storage=database.optuna)
    return study.get_trials(deepcopy=False, states=FINISHED)


def _select_copies(
    finished: Sequence[FrozenTrial], old: StudyRecord, stored: StudySpec, space: Space
) -> list[TrialCopy]:
    """The trials that fit, as they are to be in the new study."""
    fitting = Compatibility(stored.read_space(), space)
    fitted = ((trial, fitting.parameters(trial.params)) for trial in finished)
    return [
        TrialCopy(trial_id=get_trial_id(trial), parameters=parameters, origin=f"{old.name} #{trial.number}")
        for trial, parameters in fitted
        if parameters is not None
    ]


def _describe_fork(
    old: StudyRecord,
    stored: StudySpec,
    plan: ResolvedStudy,
    finished: int,
    carried: int,
    differences: Sequence[str],
) -> list[str]:
    """What became of the old study's trials, in sentences."""
    learns = old.uuid in (plan.spec.experience or {})
    use = "the new study only learns from them" if learns else "the new study does not learn from them either"
    if differences:
        why = "; ".join(differences)
        return [f"no trial of study {old.name!r} is carried over, for trials are others now ({why}); {use}"]
    if not carried:
        return [f"none of the {finished} finished trials of study {old.name!r} fits the new space; {use}"]
    told = [f"{carried} of {finished} finished trials of study {old.name!r} are carried over"]
    if stored.objective_hash != plan.spec.objective_hash:
        told.append(
            f"the file of objective {stored.objective!r} has changed since study {old.name!r} was made, whose "
            "trials are carried over as if it still trained the same; start a study of another name if it does not"
        )
    return told
