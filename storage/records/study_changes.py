"""Renaming, changing and deleting a study: Optuna's rows and ours in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, delete, exists, func, select, text, update
from sqlalchemy.exc import IntegrityError

from storage.database import Database
from storage.errors import StudyExists, StudyInUse
from storage.leasing import workers as workers_
from storage.leasing.turns import hold_turn
from storage.optuna_adapter import STUDIES, within_connection
from storage.records import studies as records
from storage.records.studies import StudyRecord
from storage.schema import checkpoints, leases, scores, studies, workers

SILENT_SECONDS = 60.0


def rename(database: Database, name: str, new_name: str) -> None:
    """Give a study another name; everything else stays, and so do the rows of the ledger, which go by its UUID.

    Raises:
        UnknownStudy: there is no study of that name.
        StudyExists: the new name is taken.
        StudyInUse: a worker trains it, or another study reuses its network by its name.
    """
    record = records.get(database.engine, name)
    taken = StudyExists(f"a study {new_name!r} is kept here already; choose another name")
    with _changing(database, record) as connection:
        _check_not_reused(connection, record)
        if connection.scalar(select(exists().where(STUDIES.c.study_name == new_name))):
            raise taken
        mine = STUDIES.c.study_id == record.study_id
        try:
            connection.execute(update(STUDIES).where(mine).values(study_name=new_name))
        except IntegrityError:  # created in this moment
            raise taken from None
        connection.execute(update(studies).where(studies.c.study_id == record.study_id).values(name=new_name))


def change_spec(database: Database, name: str, change: Callable[[Mapping[str, Any], int], Mapping[str, Any]]) -> None:
    """Replace what a study was created with by what `change` makes of it and of the number of its trials.

    Raises:
        UnknownStudy: there is no study of that name.
        StudyInUse: a worker trains it.
    """
    record = records.get(database.engine, name)
    mine = studies.c.study_id == record.study_id
    with _changing(database, record) as connection:
        spec = connection.execute(select(studies.c.spec).where(mine)).scalar_one()
        trials = within_connection(database.optuna, connection).get_n_trials(record.study_id)
        connection.execute(update(studies).where(mine).values(spec=dict(change(spec, trials))))


def remove(database: Database, name: str) -> tuple[StudyRecord, Sequence[str], int]:
    """Delete a study with its trials and all that is stored of them; the rows of the ledger and scored networks stay.

    Returns:
        The record that it had, the keys of its checkpoints, which are no longer registered, and the ledger's rows.

    Raises:
        UnknownStudy: there is no study of that name.
        StudyInUse: a worker trains it, or another study reuses its network by its name.
    """
    record = records.get(database.engine, name)
    mine = checkpoints.c.study_id == record.study_id
    with _changing(database, record) as connection:
        _check_not_reused(connection, record)
        keys = connection.scalars(select(checkpoints.c.key).where(mine)).all()
        within_connection(database.optuna, connection).delete_study(record.study_id)
        for table in (studies, workers):
            connection.execute(delete(table).where(table.c.study_id == record.study_id))
        counted = select(func.count()).select_from(scores).where(scores.c.study_uuid == record.uuid)
        kept = connection.scalar(counted)
    return record, keys, int(kept or 0)


@contextmanager
def _changing(database: Database, record: StudyRecord) -> Iterator[Connection]:
    """Yield a transaction in which no trial of the study begins; wait until nobody scores the study."""
    with (
        hold_turn(database.engine, record.uuid, str(record.spec.get("dataset"))),
        database.engine.begin() as connection,
    ):
        # Optuna itself locks this row when it creates a trial.
        connection.execute(select(STUDIES.c.study_id).where(STUDIES.c.study_id == record.study_id).with_for_update())
        _check_not_trained(database, connection, record)
        yield connection


def _check_not_trained(database: Database, connection: Connection, record: StudyRecord) -> None:
    dead = workers_.find_dead(database.engine, record.study_id)
    held = select(leases.c.worker).where(leases.c.study_id == record.study_id, leases.c.expires_at > func.now())
    holding = set(connection.scalars(held)) - set(dead)
    living = {worker.id for worker in workers_.find_living(database.engine, record.study_id, SILENT_SECONDS)}
    if holding | living:
        raise StudyInUse(
            f"study {record.name!r} is being trained; end its workers first, with `search stop`, and wait until "
            "`search status` shows none"
        )


def _check_not_reused(connection: Connection, record: StudyRecord) -> None:
    query = text(
        "SELECT name FROM depthsearch.studies WHERE study_id <> :study AND EXISTS (SELECT 1 FROM studies s WHERE "
        "s.study_id = depthsearch.studies.study_id) AND jsonb_exists(spec::jsonb -> 'sources', :name) ORDER BY name"
    )
    users = connection.scalars(query, {"study": record.study_id, "name": record.name}).all()
    if users:
        raise StudyInUse(
            f"the final network of study {record.name!r} is reused, under this name, by {', '.join(users)}; delete "
            "those studies first, or leave this one as it is"
        )
