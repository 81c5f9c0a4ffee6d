"""A new trial: its number, its slot of the budget and its lease in one commit and one round trip."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text

from storage.connecting.statements import execute_at_once
from storage.errors import NoSlot
from storage.leasing import slots
from storage.leasing.leases import Lease
from storage.leasing.repeats import MEMBERS, NOT_SHARED, SharedSlots
from storage.leasing.slots import TAKEN_BY_CONFIGURATIONS

# Optuna's row is locked first, as Optuna itself does: only what is counted after that is counted exactly, and only if
# each statement sees what was committed before it.
_STATEMENT = (
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SELECT FROM studies WHERE study_id = :study FOR UPDATE; "
    "WITH study AS (SELECT control = 'run' AND coalesce(deadline > now(), true) AS runs, epoch_budget, "
    "coalesce(trials, epoch_budget) AS most FROM depthsearch.studies WHERE study_id = :study), "
    "{counted}, "
    "trained AS (SELECT count(*) AS epochs FROM trial_intermediate_values JOIN trials USING (trial_id) "
    "WHERE study_id = :study AND (SELECT epoch_budget IS NOT NULL FROM study)), "
    "begun AS (INSERT INTO trials (number, study_id, state, datetime_start) "
    "SELECT number, :study, 'RUNNING', CAST(:started AS timestamp) FROM study, counted, trained "
    "WHERE runs AND taken < most AND (epoch_budget IS NULL OR epochs < epoch_budget) RETURNING trial_id), "
    "leased AS (INSERT INTO depthsearch.leases (trial_id, study_id, token, worker, expires_at) "
    "SELECT trial_id, :study, 1, :worker, now() + make_interval(secs => :seconds) FROM begun) "
    "SELECT runs, most, taken, epoch_budget, trial_id FROM study CROSS JOIN counted LEFT JOIN begun ON true"
)
_START = text(
    _STATEMENT.format(
        counted="counted AS (SELECT count(*) AS number, count(*) FILTER (WHERE state::text = ANY(:states)) AS taken "
        "FROM trials WHERE study_id = :study)"
    )
)
_START_CONFIGURATION = text(
    _STATEMENT.format(
        counted=f"{MEMBERS}, counted AS (SELECT (SELECT count(*) FROM members) AS number, {TAKEN_BY_CONFIGURATIONS})"
    )
)


def start_trial(engine: Engine, study_id: int, worker: str, seconds: float, shared: SharedSlots = NOT_SHARED) -> Lease:
    """Start a trial of a study, with the row that Optuna would make, and return its lease.

    Args:
        seconds: The length of the lease.
        shared: How trials share slots; where they do, this is the first of a new configuration.

    Raises:
        NoSlot: every slot of the budget is claimed, the study has as many stored epochs as its budget allows, was
            stopped, or its deadline has passed.
    """
    asked: dict[str, Any] = {"study": study_id, "worker": worker, "seconds": seconds, "started": _now()}
    asked["states"] = slots.list_slot_states(shared)
    if shared.are_shared:
        [study] = execute_at_once(engine, _START_CONFIGURATION, {**asked, "repeats": shared.repeats})
    else:
        [study] = execute_at_once(engine, _START, asked)
    if study.trial_id is None:
        raise NoSlot(slots.explain(study.runs, study.taken >= study.most, study.most, study.epoch_budget))
    return Lease(study.trial_id, 1)


def _now() -> datetime:
    """Return this moment as Optuna stores moments: UTC, without saying so."""
    return datetime.now(UTC).replace(tzinfo=None)
