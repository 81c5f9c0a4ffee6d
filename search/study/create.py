"""Making a study, or finding the one that is there ready to go on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from objectives.data.files.decoded import Progress
from search.errors import UsageError
from search.settings import Settings
from search.strategies import plan_warnings, policy
from search.study import prior_studies, source_networks
from search.study.plan import ResolvedStudy, StudyRequest, resolve_new, resolve_stored
from storage.database import Database
from storage.errors import StudyExists, UnknownStudy
from storage.records import studies
from storage.records.studies import StudyRecord

# A study tries what others found best with at most this share of its trials.
STARTING_SHARE = 1 / 3


def create_or_continue(
    database: Database, request: StudyRequest, settings: Settings, progress: Progress | None = None
) -> tuple[StudyRecord, ResolvedStudy]:
    """The study that the request names, made if it is not there.

    Raises:
        UsageError: it is there and the request asks for other values.
        ObjectiveError, DataError, SpaceError: the request resolves to nothing that can be trained.
    """
    try:
        return resume_study(database, request, settings, progress)
    except UnknownStudy:
        plan = attach_sources(database, resolve_new(request, settings, progress))
        learnt = prior_studies.choose_prior_studies(database.engine, plan.found.objective.space, request.experience)
        plan = replace(plan, spec=replace(plan.spec, experience=learnt))
        trials = request.trials or plan.found.objective.trials
        starts = propose_starting_points(database, plan, trials)
        try:
            with studies.create_atomically(database, request.study, plan.spec.to_json(), trials) as draft:
                for start in starts:
                    draft.study.enqueue_trial(start)
        except StudyExists:  # another `run` was quicker
            return resume_study(database, request, settings, progress)
        record = studies.get(database.engine, request.study)
        studies.set_deadline(database.engine, record.study_id, request.timeout)
        return record, replace(plan, notes=find_doubts(plan, trials))


def resume_study(
    database: Database, request: StudyRequest, settings: Settings, progress: Progress | None = None
) -> tuple[StudyRecord, ResolvedStudy]:
    """The study that the request names, ready to go on; refuses to make one.

    Raises:
        UnknownStudy: it is not there.
        UsageError: the request asks for other values than it was created with.
    """
    record = studies.get(database.engine, request.study)
    if record.control == "moved":
        raise UsageError(f"study {record.name!r} was {record.reason}; continue it there")
    plan = resolve_stored(record, request, settings, progress)
    prior_studies.check_unchanged(database.engine, record, request.experience)
    source_networks.fetch_sources(database.engine, record.name, plan.spec, plan.found.objective)
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


def attach_sources(database: Database, plan: ResolvedStudy) -> ResolvedStudy:
    """The plan of a new study with the networks that its trials reuse."""
    objective, image_shape = plan.found.objective, plan.prepared.image_shape
    return replace(plan, spec=source_networks.bind_sources(database.engine, plan.spec, objective, image_shape))


def propose_starting_points(database: Database, plan: ResolvedStudy, trials: int) -> list[dict[str, Any]]:
    """The parameters of a new study's first trials, by what it learns from; none where it learns from nothing."""
    setting = prior_studies.build_setting(database.engine, plan)
    sampler, _ = policy.build_strategies(plan.spec.sampler, plan.spec.pruner, setting)
    return policy.propose_starting_points(sampler)[: int(trials * STARTING_SHARE)]


def find_doubts(plan: ResolvedStudy, trials: int) -> list[str]:
    """What speaks against a plan, in sentences."""
    return plan_warnings.warn_about_plan(plan.spec.sampler, plan.spec.pruner, trials=trials, epochs=plan.spec.epochs)
