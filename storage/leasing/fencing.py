"""The guard: ties every write of a worker to its lease, inside Optuna's own transactions.

Optuna's storage writes a trial's state, parameters and values each in a transaction of its own. SQLAlchemy's
session events let us join those transactions without touching Optuna: a trial that becomes RUNNING gets its
slot of the budget and its lease in the same commit, and every later write commits only while the lease holds.
"""

from __future__ import annotations

from typing import Any

from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudyModel, TrialModel
from optuna.trial import TrialState
from sqlalchemy import event, func, inspect, select
from sqlalchemy.orm import ORMExecuteState, Session

from storage.errors import NoSlot
from storage.leasing import leases
from storage.leasing.leases import Lease
from storage.schema import studies

SLOT_STATES = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)


class LeaseFence:
    """Guards one worker's storage. `hold` is the lease it writes under, None between trials."""

    def __init__(self, storage: RDBStorage, worker: str, lease_seconds: float) -> None:
        self.lease: Lease | None = None
        self._worker = worker
        self._seconds = lease_seconds
        sessions = storage.scoped_session.session_factory
        event.listen(sessions, "after_flush", self._after_flush)
        event.listen(sessions, "do_orm_execute", self._on_execute)
        event.listen(sessions, "before_commit", self._before_commit)
        event.listen(sessions, "after_commit", self._after_commit)
        event.listen(sessions, "after_soft_rollback", self._after_rollback)

    def _after_flush(self, session: Session, _: Any) -> None:
        session.info["wrote"] = True
        for row in [*session.new, *session.dirty]:
            if isinstance(row, TrialModel) and inspect(row).attrs.state.history.added:
                self._state_changed(session, row)

    def _state_changed(self, session: Session, trial: TrialModel) -> None:
        connection = session.connection()
        study_id, trial_id = int(trial.study_id), int(trial.trial_id)
        if trial.state == TrialState.RUNNING:
            assert self.lease is None, "a worker holds one trial at a time"
            _take_slot(session, study_id)
            session.info["claimed"] = leases.claim(connection, study_id, trial_id, self._worker, self._seconds)
        elif trial.state.is_finished() and self.lease is not None:
            leases.verify(connection, self.lease)
            leases.end(connection, self.lease)
            session.info["ended"] = True

    def _on_execute(self, state: ORMExecuteState) -> None:
        if state.is_insert or state.is_update or state.is_delete:
            state.session.info["wrote"] = True

    def _before_commit(self, session: Session) -> None:
        session.flush()
        settled = "claimed" in session.info or "ended" in session.info
        if session.info.get("wrote") and self.lease is not None and not settled:
            leases.verify(session.connection(), self.lease)

    def _after_commit(self, session: Session) -> None:
        claimed: Lease | None = session.info.get("claimed")
        if claimed is not None:
            self.lease = claimed
        elif "ended" in session.info:
            self.lease = None
        session.info.clear()

    def _after_rollback(self, session: Session, _: Any) -> None:
        session.info.clear()


def _take_slot(session: Session, study_id: int) -> None:
    """Count the study's slots, this trial's included, under the lock on the study's row.

    Raises:
        NoSlot: the budget is claimed, the study was stopped, or its deadline has passed.
    """
    session.execute(select(StudyModel.study_id).where(StudyModel.study_id == study_id).with_for_update())
    budget = session.execute(
        select(studies.c.trials, studies.c.control, studies.c.deadline < func.now()).where(
            studies.c.study_id == study_id
        )
    ).one()
    taken = session.scalar(
        select(func.count())
        .select_from(TrialModel)
        .where(TrialModel.study_id == study_id, TrialModel.state.in_(SLOT_STATES))
    )
    assert taken is not None
    if budget[1] != "run" or budget[2]:
        raise NoSlot("the study was stopped")
    if taken > budget[0]:
        raise NoSlot(f"all {budget[0]} trials of the study are claimed")
