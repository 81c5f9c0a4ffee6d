"""Slots: a study's budget, counted under the lock on the study's row, so that no trial begins beyond it."""

from __future__ import annotations

from optuna.trial import TrialState
from sqlalchemy import Connection, func, select, text

from storage.errors import NoSlot
from storage.leasing.leases import STAYS
from storage.leasing.repeats import COUNTS, MEMBERS, NOT_SHARED, SharedSlots
from storage.optuna_adapter import STUDIES, TRIALS
from storage.schema import studies

SLOT_STATES = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
"""The states of trials that spend a slot of the budget or have claimed one."""

TAKEN_BY_CONFIGURATIONS = (
    "(SELECT :repeats * count(DISTINCT configuration) FROM members WHERE state = ANY(:states)) AS taken"
)
_SHARED = text(f"WITH {MEMBERS} SELECT {TAKEN_BY_CONFIGURATIONS}")
_EPOCHS = text(
    "SELECT count(*) FROM trial_intermediate_values JOIN trials t USING (trial_id) "
    f"WHERE study_id = :study AND {COUNTS}"
)
_STAYS = text(f"SELECT {STAYS}")


def take_slot(
    connection: Connection, study_id: int, shared: SharedSlots = NOT_SHARED, *, worker: str | None = None
) -> None:
    """Make sure that a trial which has just become RUNNING fits into the budget, in the transaction that made it so.

    No other transaction can take a slot of the study until this one ends.

    Args:
        shared: How trials share slots.
        worker: Who begins the trial.

    Raises:
        NoSlot: every slot of the budget is claimed, the study has as many stored epochs as its budget allows, was
            stopped or paused, its deadline has passed, or the worker was asked to leave.
    """
    connection.execute(select(STUDIES.c.study_id).where(STUDIES.c.study_id == study_id).with_for_update())
    overdue = func.coalesce(studies.c.deadline < func.now(), False).label("overdue")
    study = connection.execute(
        select(studies.c.trials, studies.c.epoch_budget, studies.c.control, overdue).where(
            studies.c.study_id == study_id
        )
    ).one()
    runs = study.control == "run" and not study.overdue and bool(connection.scalar(_STAYS, {"worker": worker}))
    most = limit_trials(study.trials, study.epoch_budget)
    full = _count_taken(connection, study_id, shared) > most
    trained = study.epoch_budget is not None and _count_epochs(connection, study_id) >= study.epoch_budget
    if not runs or full or trained:
        raise NoSlot(explain(runs, full, most, study.epoch_budget))


def explain(runs: bool, full: bool, most: int, epoch_budget: int | None) -> str:
    """Return why a study has no slot.

    Args:
        runs: Whether it was neither stopped nor has its deadline passed.
        full: Whether all `most` trials of its budget are claimed; otherwise its epochs are trained.
    """
    if not runs:
        return "the study was stopped"
    return (
        f"all {most} trials of the study are claimed" if full else f"the {epoch_budget} epochs of the study are trained"
    )


def limit_trials(trials: int | None, epoch_budget: int | None) -> int:
    """Return how many trials a budget allows: without a number of trials, one for each of its epochs.

    Trials that end within their first epoch store none: a space of nothing else must not be searched for ever.
    """
    most = epoch_budget if trials is None else trials
    assert most is not None, "a study has a budget of trials, of epochs, or of both"
    return most


def list_slot_states(shared: SharedSlots) -> list[str]:
    """Return the names of the states of trials that have slots."""
    return [state.name for state in (*SLOT_STATES, *((TrialState.FAIL,) if shared.keeps_failed else ()))]


def _count_taken(connection: Connection, study_id: int, shared: SharedSlots) -> int:
    """Count the slots that are spent or claimed, the new trial's included."""
    if shared.are_shared:
        asked = {"study": study_id, "states": list_slot_states(shared), "repeats": shared.repeats}
        return int(connection.scalar(_SHARED, asked) or 0)
    counted = select(func.count()).where(TRIALS.c.study_id == study_id, TRIALS.c.state.in_(SLOT_STATES))
    return int(connection.scalar(counted) or 0)


def _count_epochs(connection: Connection, study_id: int) -> int:
    return int(connection.scalar(_EPOCHS, {"study": study_id}) or 0)
