"""Slots: a study's budget of trials, counted under the lock on the study's row, so that it is never exceeded."""

from __future__ import annotations

from optuna.trial import TrialState
from sqlalchemy import Connection, func, select

from storage.errors import NoSlot
from storage.optuna_adapter import STUDIES, TRIALS
from storage.schema import studies

SLOT_STATES = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
"""The states of trials that spend a slot of the budget or have claimed one."""


def take_slot(connection: Connection, study_id: int) -> None:
    """Make sure that a trial which has just become RUNNING fits into the budget, in the transaction that made it so.

    No other transaction can take a slot of the study until this one ends.

    Raises:
        NoSlot: every slot of the budget is claimed, the study was stopped, or its deadline has passed.
    """
    connection.execute(select(STUDIES.c.study_id).where(STUDIES.c.study_id == study_id).with_for_update())
    overdue = func.coalesce(studies.c.deadline < func.now(), False).label("overdue")
    study = connection.execute(
        select(studies.c.trials, studies.c.control, overdue).where(studies.c.study_id == study_id)
    ).one()
    if study.control != "run" or study.overdue:
        raise NoSlot("the study was stopped")
    if _count_taken(connection, study_id) > study.trials:
        raise NoSlot(f"all {study.trials} trials of the study are claimed")


def _count_taken(connection: Connection, study_id: int) -> int:
    """Count the slots that are spent or claimed, the new trial's included."""
    counted = select(func.count()).where(TRIALS.c.study_id == study_id, TRIALS.c.state.in_(SLOT_STATES))
    return int(connection.scalar(counted) or 0)
