"""A worker's next trial in one commit and one round trip; if it is new, with its number and its slot of the budget."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Engine, Row

from storage.connecting.statements import Question, Statement, execute_at_once
from storage.errors import NoSlot
from storage.leasing import leases, slots
from storage.leasing.leases import STAYS, Lease
from storage.leasing.repeats import COUNTS, ISOLATED, LOCK, MEMBERS, NOT_SHARED, SharedSlots
from storage.leasing.slots import TAKEN_BY_CONFIGURATIONS
from storage.optuna_adapter import now

_BEGUN = (
    f"WITH study AS (SELECT control = 'run' AND coalesce(deadline > now(), true) AND {STAYS} AS runs, epoch_budget, "
    "coalesce(trials, epoch_budget) AS most FROM depthsearch.studies WHERE study_id = :study), "
    "{counted}, "
    "trained AS (SELECT count(*) AS epochs FROM trial_intermediate_values JOIN trials t USING (trial_id) "
    f"WHERE study_id = :study AND (SELECT epoch_budget IS NOT NULL FROM study) AND {COUNTS}), "
    "begun AS (INSERT INTO trials (number, study_id, state, datetime_start) "
    "SELECT number, :study, 'RUNNING', CAST(:started AS timestamp) FROM study, counted, trained "
    "WHERE runs AND taken < most AND (epoch_budget IS NULL OR epochs < epoch_budget){unless} RETURNING trial_id), "
    "leased AS (INSERT INTO depthsearch.leases (trial_id, study_id, token, worker, expires_at) "
    "SELECT trial_id, :study, 1, :worker, now() + make_interval(secs => :seconds) FROM begun) "
    "SELECT runs, most, taken, epoch_budget, trial_id FROM study CROSS JOIN counted LEFT JOIN begun ON true"
)
_COUNTED = (
    "counted AS (SELECT count(*) AS number, count(*) FILTER (WHERE state::text = ANY(:states)) AS taken, "
    "count(*) FILTER (WHERE state = 'WAITING') AS enqueued FROM trials WHERE study_id = :study)"
)
_COUNTED_BY_CONFIGURATIONS = (
    f"{MEMBERS}, counted AS (SELECT (SELECT count(*) FROM members) AS number, {TAKEN_BY_CONFIGURATIONS})"
)
_START = Statement(_BEGUN.format(counted=_COUNTED, unless=""))
_START_CONFIGURATION = Statement(_BEGUN.format(counted=_COUNTED_BY_CONFIGURATIONS, unless=""))
# What a worker has claimed: just now, or by a call whose answer was lost.
_MINE = (
    "FROM depthsearch.leases l JOIN trials t USING (trial_id) WHERE l.study_id = :study AND l.worker = :worker "
    "AND l.expires_at <> '-infinity' AND t.state = 'RUNNING'"
)
_START_UNLESS_CLAIMED = Statement(
    _BEGUN.format(counted=_COUNTED, unless=f" AND enqueued = 0 AND NOT EXISTS (SELECT {_MINE})")
)


def claim_trial(
    engine: Engine, study_id: int, worker: str, seconds: float, question: Question
) -> tuple[Lease | None, Row[Any]]:
    """Take over the oldest interrupted trial, else start a new one unless one is enqueued, in one round trip.

    Args:
        worker: Has no trial; one that it claimed by a call whose answer was lost is claimed again.
        seconds: That the lease lasts.
        question: What else the worker wants to know, once it has a trial.

    Returns:
        The lease, and the answer; no lease if every slot is claimed, the study has as many stored epochs as its budget
        allows, was stopped, its deadline has passed, or a trial is enqueued.
    """
    asked: dict[str, Any] = {"study": study_id, "worker": worker, "seconds": seconds, "started": now()}
    asked["states"] = slots.list_slot_states(NOT_SHARED)
    statements = (ISOLATED, leases.TAKE_OVER, LOCK, _START_UNLESS_CLAIMED, _with_claim(question.statement))
    [row] = execute_at_once(engine, statements, {**asked, **question.parameters})
    return None if row.claimed is None else Lease(*row.claimed), row


@cache
def _with_claim(question: Statement) -> Statement:
    claimed = f"(SELECT json_build_array(l.trial_id, l.token, l.hangs) {_MINE} LIMIT 1) AS claimed"
    return Statement(f"{question.sql}, {claimed}", question.kept)


def start_trial(engine: Engine, study_id: int, worker: str, seconds: float, shared: SharedSlots = NOT_SHARED) -> Lease:
    """Start a trial of a study, with the row that Optuna would make, and return its lease.

    Args:
        seconds: The length of the lease.
        shared: How trials share slots; where they do, this is the first of a new configuration.

    Raises:
        NoSlot: every slot of the budget is claimed, the study has as many stored epochs as its budget allows, was
            stopped, or its deadline has passed.
    """
    asked: dict[str, Any] = {"study": study_id, "worker": worker, "seconds": seconds, "started": now()}
    asked["states"] = slots.list_slot_states(shared)
    start = _START
    if shared.are_shared:
        asked["repeats"], start = shared.repeats, _START_CONFIGURATION
    [study] = execute_at_once(engine, (ISOLATED, LOCK, start), asked)
    if study.trial_id is None:
        raise NoSlot(slots.explain(study.runs, study.taken >= study.most, study.most, study.epoch_budget))
    return Lease(study.trial_id, 1)
