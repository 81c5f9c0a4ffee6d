"""Everything of Optuna that this program uses and Optuna does not promise to keep.

Optuna documents studies, trials, samplers, pruners and distributions, and the rest of this program uses nothing
else. Here stand its tables, the ids of its rows, and what happens within its storage's transactions. A new version
of Optuna may change any of it without notice: tests/storage/test_optuna_adapter.py checks each assumption and names
the one that no longer holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import optuna
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import Connection, Engine, Enum, Table, event, inspect
from sqlalchemy.orm import ORMExecuteState, Session, scoped_session, sessionmaker

STUDIES: Table = models.StudyModel.__table__
TRIALS: Table = models.TrialModel.__table__
PARAMETERS: Table = models.TrialParamModel.__table__
VALUES: Table = models.TrialValueModel.__table__
INTERMEDIATE_VALUES: Table = models.TrialIntermediateValueModel.__table__
USER_ATTRIBUTES: Table = models.TrialUserAttributeModel.__table__
SYSTEM_ATTRIBUTES: Table = models.TrialSystemAttributeModel.__table__

NEWEST_REVISION = {"5.0.0": "v3.2.0.a"}
"""The revision of the tables that a version of Optuna makes."""
ENQUEUED_PARAMETERS = "fixed_params"
"""The system attribute in which a trial keeps the parameters that it was enqueued with."""


def table_names() -> frozenset[str]:
    """Return the names of all tables that Optuna makes."""
    return frozenset({"alembic_version", *models.BaseModel.metadata.tables})


def type_names() -> frozenset[str]:
    """Return the names of the types of Postgres that Optuna makes."""
    columns = [column for table in models.BaseModel.metadata.tables.values() for column in table.columns]
    return frozenset(str(column.type.name) for column in columns if isinstance(column.type, Enum))


def get_study_id(study: Study) -> int:
    """Return the id of the study's row."""
    return int(study._study_id)


def get_frozen_study_id(study: FrozenStudy) -> int:
    """Return the id of the row of a study as a storage lists it."""
    return int(study._study_id)


def get_storage(study: Study) -> BaseStorage:
    """Return the storage behind the study, as it was given or as Optuna has wrapped it."""
    return study._storage


def get_trial_id(trial: Trial | FrozenTrial) -> int:
    """Return the id of the trial's row, unique in the storage; its number is unique in its study only."""
    return int(trial._trial_id)


def read_trial(trial: Trial) -> FrozenTrial:
    """Return what is stored about an unfinished trial now; `trial` itself knows only what was written through it."""
    return trial.storage.get_trial(trial._trial_id)


def now() -> datetime:
    """Return this moment as Optuna stores moments: UTC, without saying so."""
    return datetime.now(UTC).replace(tzinfo=None)


def get_stored(trial: Trial) -> FrozenTrial:
    """Return what was stored about a trial when it was claimed or attached, and what was written through it since."""
    return trial._cached_frozen_trial


def attach_trial(study: Study, trial_id: int) -> Trial:
    """Return a trial that is RUNNING already, with everything that is stored about it."""
    study._thread_local.cached_all_trials = None  # as `Study.ask` does: samplers look at each trial's beginning
    return Trial(study, trial_id)


def add_trial(study: Study, trial: FrozenTrial) -> int:
    """Add a trial in whatever state it is, as `Study.add_trial` does, and return the id of its row."""
    return int(study._storage.create_new_trial(study._study_id, template_trial=trial))


def note_report(trial: Trial, step: int, value: float) -> None:
    """Tell a trial of a value that was stored for it, so that its pruner sees it."""
    trial._cached_frozen_trial.intermediate_values[step] = value


def set_user_attribute(study: Study, trial: FrozenTrial, name: str, value: Any) -> None:
    """Set an attribute of an unfinished trial of which only the stored form is known, as in a pruner."""
    study._storage.set_trial_user_attr(trial._trial_id, name, value)


def get_engine(storage: RDBStorage) -> Engine:
    """Return the engine whose connections the storage uses."""
    return storage.engine


def has_newest_tables(connection: Connection) -> bool | None:
    """Return whether Optuna's tables are those that the installed Optuna would make.

    Optuna's own answer takes half a second of imports, of alembic and of its scripts; of versions of Optuna that are
    known, it is known. None for any other version.
    """
    newest = NEWEST_REVISION.get(optuna.__version__)
    if newest is None:
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == newest


def within_connection(storage: RDBStorage, connection: Connection) -> RDBStorage:
    """Return the same storage as it works inside the connection's open transaction: its commits become savepoints."""
    inner = RDBStorage.__new__(RDBStorage)
    inner.__dict__.update(storage.__dict__)
    inner.scoped_session = scoped_session(sessionmaker(connection, join_transaction_mode="create_savepoint"))
    return inner


def build_trial(
    trial_id: int,
    number: int,
    *,
    state: TrialState,
    values: Sequence[float] | None,
    started: datetime | None,
    ended: datetime | None,
    parameters: dict[str, Any],
    distributions: dict[str, BaseDistribution],
    user_attributes: dict[str, Any],
    system_attributes: dict[str, Any],
    intermediate_values: dict[int, float],
) -> FrozenTrial:
    """Return a stored trial as Optuna's own storage returns it."""
    return FrozenTrial(
        number=number,
        state=state,
        value=None,
        values=values,
        datetime_start=started,
        datetime_complete=ended,
        params=parameters,
        distributions=distributions,
        user_attrs=user_attributes,
        system_attrs=system_attributes,
        intermediate_values=intermediate_values,
        trial_id=trial_id,
    )


def with_reports(trial: FrozenTrial, reports: Mapping[int, float]) -> FrozenTrial:
    """Return a trial with further intermediate values; it shares all else with the one that is given."""
    copied = FrozenTrial.__new__(FrozenTrial)
    copied.__dict__.update(trial.__dict__, intermediate_values={**trial.intermediate_values, **reports})
    return copied


def for_display(trial: FrozenTrial, system_attributes: Mapping[str, Any], *, has_reports: bool) -> FrozenTrial:
    """Return a copy of a trial with these system attributes, and without intermediate values unless it keeps them."""
    copied = with_reports(trial, {})
    copied._system_attrs = dict(system_attributes)
    copied.intermediate_values = copied.intermediate_values if has_reports else {}
    return copied


def with_own_parts(trial: FrozenTrial) -> FrozenTrial:
    """Return a copy whose dictionaries belong to it alone: Optuna changes those of a trial that it attaches."""
    copied = FrozenTrial.__new__(FrozenTrial)
    copied.__dict__.update({name: dict(part) if isinstance(part, dict) else part for name, part in vars(trial).items()})
    return copied


class TransactionObserver(Protocol):
    """What is told about each transaction of a storage while it is open.

    What a method raises rolls the transaction back and reaches the caller of the storage as it is.
    """

    def trial_started(self, connection: Connection, study_id: int, trial_id: int) -> None:
        """A trial becomes RUNNING, whether it is new or was enqueued."""

    def trial_finished(self, connection: Connection, trial_id: int) -> None:
        """A trial becomes COMPLETE, PRUNED or FAIL."""

    def before_commit(self, connection: Connection, *, wrote: bool) -> None:
        """The transaction is about to be committed; `wrote` tells whether it has changed anything."""

    def after_commit(self) -> None:
        """The transaction has been committed."""

    def after_rollback(self) -> None:
        """The transaction has been rolled back, or nobody knows whether it was committed."""


def observe_transactions(storage: RDBStorage, observer: TransactionObserver) -> None:
    """Tell the observer about every transaction that the storage begins from now on."""
    sessions = storage.scoped_session.session_factory
    relay = _Relay(observer)
    event.listen(sessions, "after_flush", relay.after_flush)
    event.listen(sessions, "do_orm_execute", relay.on_execute)
    event.listen(sessions, "before_commit", relay.before_commit)
    event.listen(sessions, "after_commit", relay.after_commit)
    event.listen(sessions, "after_soft_rollback", relay.after_rollback)


class _Relay:
    """Translates the events of SQLAlchemy's sessions. Whether a session has written is kept in its `info`."""

    def __init__(self, observer: TransactionObserver) -> None:
        self._observer = observer

    def after_flush(self, session: Session, _: Any) -> None:
        session.info["wrote"] = True
        for row in [*session.new, *session.dirty]:
            if isinstance(row, models.TrialModel) and inspect(row).attrs.state.history.added:
                self._tell_state(session, row)

    def _tell_state(self, session: Session, trial: models.TrialModel) -> None:
        if trial.state == TrialState.RUNNING:
            self._observer.trial_started(session.connection(), int(trial.study_id), int(trial.trial_id))
        elif trial.state.is_finished():
            self._observer.trial_finished(session.connection(), int(trial.trial_id))

    def on_execute(self, state: ORMExecuteState) -> None:
        if state.is_insert or state.is_update or state.is_delete:
            state.session.info["wrote"] = True

    def before_commit(self, session: Session) -> None:
        session.flush()
        self._observer.before_commit(session.connection(), wrote="wrote" in session.info)

    def after_commit(self, session: Session) -> None:
        session.info.clear()
        self._observer.after_commit()

    def after_rollback(self, session: Session, _: Any) -> None:
        session.info.clear()
        self._observer.after_rollback()
