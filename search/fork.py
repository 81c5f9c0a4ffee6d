"""Forking: a new study in a changed space that takes over the trials of another one that still fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import optuna
from optuna.trial import FrozenTrial, TrialState

from objectives.data.decoded import Progress
from search import creation, experience
from search.fitting import Fitting
from search.plan import Plan, Request, as_stored, resolve, resolve_found
from search.policy.experience import FEWEST_TRIALS
from search.settings import Settings
from search.spec import StudySpec
from search.trusted import recall
from spaces import Space
from storage import studies
from storage.carrying import Carried, carry_over
from storage.database import Database
from storage.errors import StudyExists
from storage.studies import StudyRecord

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def fork(
    database: Database, request: Request, settings: Settings, progress: Progress | None = None
) -> tuple[StudyRecord, Plan]:
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
    plan = creation.with_sources(database, _resolved(request, stored, settings, progress))
    finished = _finished(database, old)
    differences = stored.differences_of_trials(plan.spec)
    space = plan.found.objective.space
    carried = [] if differences else _carried(finished, old, stored, space)
    learnt = experience.choose(database.engine, space, request.experience, parent=old, carried=bool(carried))
    plan = replace(plan, spec=replace(plan.spec, experience=learnt))
    more = request.trials or plan.found.objective.trials
    trials = len(carried) + more
    # A study with many trials knows better than others where to go on.
    starts = creation.starting_points(database, plan, more) if len(carried) < FEWEST_TRIALS else []
    with studies.making(database, request.fork, plan.spec.to_json(), trials) as draft:
        carry_over(draft.connection, draft.study._study_id, carried, space.distributions())
        for start in starts:
            draft.study.enqueue_trial(start)
    made = studies.get(database.engine, request.fork)
    studies.set_deadline(database.engine, made.study_id, request.timeout)
    notes = [*_told(old, stored, plan, len(finished), len(carried), differences), *creation.doubts(plan, trials)]
    return made, replace(plan, notes=notes)


def _resolved(request: Request, stored: StudySpec, settings: Settings, progress: Progress | None) -> Plan:
    """The new study's plan: the old one's, with what is asked for in its place."""
    asked = replace(as_stored(request, stored), overrides=_overrides(stored.overrides, request.overrides or ()))
    if request.objective is not None:
        return resolve(asked, settings, progress)
    return resolve_found(recall(settings.home, stored.objective, stored.objective_hash), asked, settings, progress)


def _overrides(before: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """Both, but of what is set anew only the new: an old choice of some would hide the others."""
    anew = {text.partition("=")[0].strip() for text in asked}
    return (*(text for text in before if text.partition("=")[0].strip() not in anew), *asked)


def _finished(database: Database, record: StudyRecord) -> list[FrozenTrial]:
    study = optuna.load_study(study_name=record.name, storage=database.optuna)
    return study.get_trials(deepcopy=False, states=FINISHED)


def _carried(finished: Sequence[FrozenTrial], old: StudyRecord, stored: StudySpec, space: Space) -> list[Carried]:
    """The trials that fit, as they are to be in the new study."""
    fitting = Fitting(space, stored.space)
    fitted = ((trial, fitting.parameters(trial.params)) for trial in finished)
    return [
        Carried(trial_id=trial._trial_id, parameters=parameters, origin=f"{old.name} #{trial.number}")
        for trial, parameters in fitted
        if parameters is not None
    ]


def _told(
    old: StudyRecord, stored: StudySpec, plan: Plan, finished: int, carried: int, differences: Sequence[str]
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
