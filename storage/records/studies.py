"""Our record of a study: what it was created with, its budget, and whether it may continue."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.exceptions import ExperimentalWarning
from sqlalchemy import Connection, Engine, Row, case, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from storage.database import Database
from storage.errors import ForeignStudy, StudyExists, UnknownStudy
from storage.optuna_adapter import get_study_id, within_connection
from storage.schema import studies

ALIVE = "EXISTS (SELECT 1 FROM studies s WHERE s.study_id = depthsearch.studies.study_id)"

Control = Literal["run", "pause", "stop", "failed", "moved"]


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """One study. Of `spec`, what it was created with, only the search policy may change; its budget may be raised."""

    study_id: int
    uuid: str
    name: str
    spec: Mapping[str, Any]
    trials: int | None
    """The finished trials that it is to have; None for any number."""
    epoch_budget: int | None
    """The stored epochs at which no new trial begins; None for any number."""
    control: Control
    reason: str | None
    overdue: bool
    """Whether the deadline of --timeout has passed, by the database's clock."""
    priority: int = 0
    """Workers that serve every study serve higher ones first."""


@dataclass(frozen=True, kw_only=True)
class StudyDraft:
    """A study that is being created: what is added through `study` or `connection` becomes visible with it."""

    study: optuna.Study
    connection: Connection


def create(
    database: Database,
    name: str,
    spec: Mapping[str, Any],
    trials: int | None,
    *,
    epoch_budget: int | None = None,
    uuid_: str | None = None,
    priority: int = 0,
) -> StudyRecord:
    """Create a study, in Optuna's tables and ours.

    Args:
        trials: Its budget of finished trials; None for any number, if it has a budget of epochs.
        epoch_budget: Its budget of stored epochs; None for any number.
        uuid_: The UUID of a study that is copied; None for a new one.
        priority: Of the study, as in `StudyRecord`.

    Raises:
        StudyExists: the name is taken.
    """
    with create_atomically(database, name, spec, trials, epoch_budget=epoch_budget, uuid_=uuid_, priority=priority):
        pass
    return get(database.engine, name)


@contextmanager
def create_atomically(
    database: Database,
    name: str,
    spec: Mapping[str, Any],
    trials: int | None,
    *,
    epoch_budget: int | None = None,
    uuid_: str | None = None,
    priority: int = 0,
) -> Iterator[StudyDraft]:
    """Create a study and what the block adds to it in one transaction: others see all of it or nothing.

    For the arguments, see `create`.

    Raises:
        StudyExists: the name is taken.
    """
    with database.engine.begin() as connection:
        storage = within_connection(database.optuna, connection)
        try:
            study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
        except optuna.exceptions.DuplicatedStudyError:
            raise StudyExists(f"a study {name!r} is kept here already; choose another name") from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(["validation accuracy"])
        yield StudyDraft(study=study, connection=connection)
        identity = uuid_ or str(uuid.uuid4())
        # A study that comes back from another storage may have left its row here, if an Optuna tool deleted the study.
        connection.execute(delete(studies).where(studies.c.uuid == identity, text(f"NOT {ALIVE}")))
        connection.execute(
            insert(studies).values(
                study_id=get_study_id(study),
                uuid=identity,
                name=name,
                spec=dict(spec),
                trials=trials,
                epoch_budget=epoch_budget,
                priority=priority,
            )
        )


def get(engine: Engine, name: str) -> StudyRecord:
    """Return the study called `name`.

    Raises:
        UnknownStudy: there is no study of that name.
        ForeignStudy: another Optuna program made the study of that name.
    """
    with engine.begin() as connection:
        row = connection.execute(_select().where(studies.c.name == name)).first()
        if row is not None:
            return _record(row)
        names = _list_names(connection)
        foreign = connection.scalar(text("SELECT 1 FROM studies WHERE study_name = :name"), {"name": name})
    if foreign:
        raise ForeignStudy(name)
    raise UnknownStudy(name, names)


def list_names(engine: Engine) -> list[str]:
    """Return the names of all our studies, oldest first."""
    with engine.begin() as connection:
        return _list_names(connection)


def list_records(engine: Engine) -> list[StudyRecord]:
    """Return all our studies, oldest first."""
    with engine.begin() as connection:
        return _list_records(connection)


def raise_budget(engine: Engine, study_id: int, trials: int | None, epoch_budget: int | None = None) -> None:
    """Raise the study's budget of finished trials, of stored epochs, or both; a higher one stays.

    A kind of budget that the study has not had takes the place of the other kind, unless both are given.
    """
    raised: dict[str, Any] = {}
    for column, other, value in (
        (studies.c.trials, studies.c.epoch_budget, trials),
        (studies.c.epoch_budget, studies.c.trials, epoch_budget),
    ):
        if value is not None:
            raised[column.name] = func.greatest(column, value)  # ignores NULL
            raised.setdefault(other.name, case((column.is_not(None), other)))
    with engine.begin() as connection:
        connection.execute(update(studies).where(studies.c.study_id == study_id).values(raised))


def set_deadline(engine: Engine, study_id: int, seconds: float | None) -> None:
    """End the study `seconds` from now, by the database's clock; None removes the deadline."""
    moment = None if seconds is None else func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    with engine.begin() as connection:
        connection.execute(update(studies).where(studies.c.study_id == study_id).values(deadline=moment))


def set_control(engine: Engine, study_id: int, control: Control, reason: str | None = None) -> None:
    """Tell every worker of the study, on any machine, to continue or to end; `reason` is for people."""
    with engine.begin() as connection:
        write_control(connection, study_id, control, reason)


def change_control(engine: Engine, study_id: int, control: Control, *, among: Sequence[Control]) -> Control:
    """Do what `set_control` does if the study's present control is `among` these; return that one."""
    mine = studies.c.study_id == study_id
    with engine.begin() as connection:
        before: Control = connection.execute(select(studies.c.control).where(mine).with_for_update()).scalar_one()
        if before in among:
            write_control(connection, study_id, control)
    return before


def set_priority(engine: Engine, study_id: int, priority: int) -> None:
    """Change the study's priority."""
    with engine.begin() as connection:
        connection.execute(update(studies).where(studies.c.study_id == study_id).values(priority=priority))


def write_control(connection: Connection, study_id: int, control: Control, reason: str | None = None) -> None:
    """Do what `set_control` does, in the caller's transaction."""
    connection.execute(update(studies).where(studies.c.study_id == study_id).values(control=control, reason=reason))


def _select() -> Any:
    # A study that was deleted with one of Optuna's tools leaves our row behind, which does not count.
    overdue = func.coalesce(studies.c.deadline < func.now(), False).label("overdue")
    return select(studies, overdue).where(text(ALIVE))


def _list_records(connection: Connection) -> list[StudyRecord]:
    return [_record(row) for row in connection.execute(_select().order_by(studies.c.study_id))]


def _list_names(connection: Connection) -> list[str]:
    return [record.name for record in _list_records(connection)]


def _record(row: Row[Any]) -> StudyRecord:
    return StudyRecord(
        study_id=row.study_id,
        uuid=row.uuid,
        name=row.name,
        spec=row.spec,
        trials=row.trials,
        epoch_budget=row.epoch_budget,
        control=row.control,
        reason=row.reason,
        overdue=row.overdue,
        priority=row.priority,
    )
