"""Studies at random, with everything in their trials that a status counts or shows."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Connection, Table, insert

from objectives.diagnosis.faults import Fault
from search.strategies.pruners.audit import AUDITED
from spaces import Float, Int, Space
from storage.database import Database
from storage.leasing import withdrawal
from storage.leasing.repeats import STOPPED, describe_repeat
from storage.optuna_adapter import INTERMEDIATE_VALUES, PARAMETERS, TRIALS, USER_ATTRIBUTES, VALUES
from storage.records import studies
from storage.records.studies import StudyRecord
from tests.search.earlier import planned

SPACE = Space(x=Float(0, 1), n=Int(1, 9))
KINDS: Mapping[str, dict[str, Any]] = {
    "trials": {"spec": {}, "trials": 40},
    "epochs": {"spec": {}, "trials": None, "epoch_budget": 60},
    "repeats": {"spec": {"repeats": 3}, "trials": 60},
    "grid": {"spec": {"repeats": 2, "sampler": "grid", "points": 3}, "trials": 54},
}
"""What studies are created with."""
COUNT = 24
INFINITE = (float("inf"), float("-inf"), float("nan"))


@cache
def some_spec() -> dict[str, object]:
    """What a study was created with."""
    return planned("any").spec.to_json()


def make_study(database: Database, name: str, kind: str, seed: int) -> StudyRecord:
    """A study of a kind with random trials, some of them voided."""
    chance, told = random.Random(f"{kind} {seed}"), KINDS[kind]
    spec = {**some_spec(), **told["spec"]}
    record = studies.create(database, name, spec, told["trials"], epoch_budget=told.get("epoch_budget"))
    repeats = told["spec"].get("repeats", 1)
    with database.engine.begin() as connection:
        _add_trials(connection, record.study_id, [_draw(chance, number, repeats) for number in range(COUNT)])
    for number in chance.sample(range(COUNT), 3):
        withdrawal.void(database.engine, record.study_id, number, "wrong data")
    return record


def _add_trials(connection: Connection, study_id: int, trials: Sequence[FrozenTrial]) -> None:
    """Store trials as Optuna does, a table at a time."""
    made = [{"study_id": study_id, "number": number, "state": trial.state} for number, trial in enumerate(trials)]
    ids = connection.scalars(insert(TRIALS).returning(TRIALS.c.trial_id, sort_by_parameter_order=True), made).all()
    rows: dict[Table, list[dict[str, Any]]] = {}
    for trial_id, trial in zip(ids, trials, strict=True):
        for name, value in trial.params.items():
            kind = trial.distributions[name]
            row = {"param_name": name, "param_value": value, "distribution_json": distribution_to_json(kind)}
            rows.setdefault(PARAMETERS, []).append({"trial_id": trial_id, **row})
        for step, value in trial.intermediate_values.items():
            stored, kind_ = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
            row = {"step": step, "intermediate_value": stored, "intermediate_value_type": kind_}
            rows.setdefault(INTERMEDIATE_VALUES, []).append({"trial_id": trial_id, **row})
        for key, value in trial.user_attrs.items():
            row = {"key": key, "value_json": json.dumps(value)}
            rows.setdefault(USER_ATTRIBUTES, []).append({"trial_id": trial_id, **row})
        if trial.value is not None:
            stored, kind_ = models.TrialValueModel.value_to_stored_repr(trial.value)
            row = {"objective": 0, "value": stored, "value_type": kind_}
            rows.setdefault(VALUES, []).append({"trial_id": trial_id, **row})
    for table, added in rows.items():
        connection.execute(insert(table), added)


def _draw(chance: random.Random, number: int, repeats: int) -> FrozenTrial:
    state = chance.choices([*TrialState], weights=[4, 10, 5, 3, 2])[0]  # RUNNING, COMPLETE, PRUNED, FAIL, WAITING
    curve = [chance.choice([chance.random(), chance.choice(INFINITE), 0.5]) for _ in range(chance.randint(0, 4))]
    value = chance.choice([chance.random(), 0.5, *(INFINITE[:2] if repeats == 1 else ())])  # the mean of these is none
    # Repeats begin out of order, and some are trained twice or never.
    configuration = number if repeats == 1 else chance.randint(0, number) // 4 * 4
    shared = {} if repeats == 1 else describe_repeat(configuration, chance.randrange(repeats), repeats)
    drawn = random.Random(configuration)
    begun = state != TrialState.WAITING
    return create_trial(
        state=state,
        value=value if state == TrialState.COMPLETE else None,
        params={"x": drawn.random(), "n": drawn.randint(1, 9)} if begun else {},
        distributions=SPACE.distributions() if begun else {},
        intermediate_values=dict(enumerate(curve)),
        user_attrs={**_draw_notes(chance, state, len(curve)), **(shared if begun else {})},
    )


def _draw_notes(chance: random.Random, state: TrialState, epochs: int) -> dict[str, Any]:
    notes: dict[str, Any] = {"seed": chance.randrange(1000), "hardware": "CPU"}
    if state == TrialState.PRUNED:
        notes["reason"] = chance.choice(["pruner", "diverged", STOPPED, "cancelled"])
    if state == TrialState.FAIL:
        notes |= {"error": "ValueError: it's \N{SNOWMAN}", "traceback": "line 1\nline 2"}
        notes |= chance.choice([{}, {"reason": "cancelled"}])
    if chance.random() < 0.2 and epochs:
        notes[AUDITED] = chance.randint(0, epochs)
    if chance.random() < 0.6:
        fault = Fault(kind=chance.choice(["dead", "vanishing"]), epoch=epochs, layer=None, text='a "fault"')
        notes["diagnosis"] = [vars(fault)] * chance.randint(0, 2)
    return notes
