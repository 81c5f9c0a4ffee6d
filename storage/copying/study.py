"""Copying a study to another storage: Optuna's part and ours, so that it continues there."""

from __future__ import annotations

from typing import Any

import optuna
from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects.postgresql import insert

from storage.database import Database
from storage.leasing.turns import Turn, hold_turn
from storage.optuna_adapter import add_trial, get_trial_id
from storage.records import ledger, networks, studies
from storage.records.studies import StudyRecord
from storage.schema import confirmations, confusions, epochs, scores
from storage.url import mask_password

CHUNK = 1000

# The columns that identify a row of the ledger in any storage.
OPENING = ("study_uuid", "dataset", "opening")


def copy_study(source: Database, target: Database, name: str) -> int:
    """Copy a study with all that is stored of its trials, its budget, test scores and network; return how many trials.

    Numbers, parameters and curves stay the same, and so does the UUID, under which a test set stays scored. The
    study continues there and ends here: a trial that is running here is taken over there.

    Raises:
        UnknownStudy: the source has no such study.
        StudyExists: the target has one of that name already.
    """
    record = studies.get(source.engine, name)
    # Nobody may score it meanwhile: a claim that is copied could be scored in both storages.
    with hold_turn(source.engine, record.uuid, str(record.spec.get("dataset"))) as turn:
        return _copy(source, target, record, turn)


def _copy(source: Database, target: Database, record: StudyRecord, turn: Turn) -> int:
    name = record.name
    original = optuna.load_study(study_name=name, storage=source.optuna)
    made = studies.create(
        target,
        name,
        record.spec,
        record.trials,
        epoch_budget=record.epoch_budget,
        uuid_=record.uuid,
        priority=record.priority,
    )
    try:
        copied = optuna.load_study(study_name=name, storage=target.optuna)
        trials = original.get_trials(deepcopy=False)
        pairs = {
            # A running trial has no lease there, and so is taken over.
            get_trial_id(trial): add_trial(copied, trial)
            for trial in trials
        }
        for key, value in original.user_attrs.items():
            copied.set_user_attr(key, value)
        with source.engine.begin() as reading, target.engine.begin() as writing:
            _copy_curves(reading, writing, pairs)
        _copy_scores(source.engine, target.engine, name, record.uuid)
        # The two have one row of test scores between them, so only one may continue.
        with source.engine.begin() as connection:
            turn.verify(connection)
            studies.write_control(connection, record.study_id, "moved", f"copied to {mask_password(target.url)}")
    except BaseException:
        optuna.delete_study(study_name=made.name, storage=target.optuna)
        raise
    return len(pairs)


def _copy_curves(reading: Connection, writing: Connection, pairs: dict[int, int]) -> None:
    for table in (epochs, confusions, confirmations):
        wanted = select(table).where(table.c.trial_id.in_(list(pairs)))
        for rows in reading.execute(wanted).mappings().partitions(CHUNK):
            moved: list[dict[str, Any]] = [{**row, "trial_id": pairs[row["trial_id"]]} for row in rows]
            writing.execute(insert(table), moved)


def _copy_scores(source: Engine, target: Engine, name: str, uuid: str) -> None:
    rows = ledger.read_rows(source, uuid)
    network = networks.find_for_study(source, name)
    arriving = insert(scores)
    # A study that comes back finds its old rows: a claim of then may have been scored meanwhile.
    content = [column.name for column in scores.c if column.name not in ("score_id", *OPENING)]
    newer = arriving.on_conflict_do_update(
        index_elements=OPENING,
        set_={name: arriving.excluded[name] for name in content},
        where=scores.c.look.is_(None),
    )
    with target.begin() as connection:
        if rows:
            connection.execute(newer, rows)
        if network is not None:
            networks.keep(connection, network.sha256, network.description, network.weights)
