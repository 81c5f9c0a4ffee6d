"""A new trial: its number, its slot of the budget and its lease in one commit and one round trip."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine

from storage.connecting.statements import Statement, execute_at_once
from storage.errors import NoSlot
from storage.leasing import slots
from storage.leasing.leases import Lease

# Optuna's row is locked first, as Optuna itself does: only what is counted after that is counted exactly, and only if
# each statement sees what was committed before it.
_LOCK = Statement(
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SELECT FROM studies WHERE study_id = :study FOR UPDATE", kept=False
)
_START = Statement(
    "WITH study AS (SELECT control = 'run' AND coalesce(deadline > now(), true) AS runs, epoch_budget, "
    "coalesce(trials, epoch_budget) AS most FROM depthsearch.studies WHERE study_id = :study), "
    "counted AS (SELECT count(*) AS number, count(*) FILTER (WHERE state::text = ANY(:states)) AS taken "
    "FROM trials WHERE study_id = :study), "
    "trained AS (SELECT count(*) AS epochs FROM trial_intermediate_values JOIN trials USING (trial_id) "
    "WHERE study_id = :study AND (SELECT epoch_budget IS NOT NULL FROM study)), "
    "begun AS (INSERT INTO trials (number, study_id, state, datetime_start) "
    "SELECT number, :study, 'RUNNING', CAST(:started AS timestamp) FROM study, counted, trained "
    "WHERE runs AND taken < most AND (epoch_budget IS NULL OR epochs < epoch_budget) RETURNING trial_id), "
    "leased AS (INSERT INTO depthsearch.leases (trial_id, study_id, token, worker, expires_at) "
    "SELECT trial_id, :study, 1, :worker, now() + make_interval(secs => :seconds) FROM begun) "
    "SELECT runs, most, taken, epoch_budget, trial_id FROM study CROSS JOIN counted LEFT JOIN begun ON true"
)


def start_trial(engine: Engine, study_id: int, worker: str, seconds: float) -> Lease:
    """Start a trial of a study, with the row that Optuna would make, and return its lease.

    Raises:
        NoSlot: every slot of the budget is claimed, the study has as many stored epochs as its budget allows, was
            stopped, or its deadline has passed.
    """
    asked = {"study": study_id, "worker": worker, "seconds": seconds, "started": _now()}
    states = [state.name for state in slots.SLOT_STATES]
    [study] = execute_at_once(engine, (_LOCK, _START), {**asked, "states": states})
    if study.trial_id is None:
        raise NoSlot(slots.explain(study.runs, study.taken >= study.most, study.most, study.epoch_budget))
    return Lease(study.trial_id, 1)


def _now() -> datetime:
    """Return this moment as Optuna stores moments: UTC, without saying so."""
    return datetime.now(UTC).replace(tzinfo=None)
