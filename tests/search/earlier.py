"""Studies as earlier runs left them: made in the storage at once, with trials whose curves are made up."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy import func, insert, select, update

from search.settings import load
from search.study.plan import ResolvedStudy, StudyRequest, resolve_new
from spaces import Space
from storage.database import Database
from storage.records import studies
from storage.records.studies import StudyDraft, StudyRecord
from storage.schema import epochs as curves

OBJECTIVE = "digits-depth"
EPOCHS = 3
FINITE = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE


@dataclass(frozen=True, kw_only=True)
class Past:
    """A trial that is over: its parameters, its curve, its state and its attributes."""

    parameters: Mapping[str, Any]
    curve: Sequence[float]
    state: TrialState = TrialState.COMPLETE
    attributes: Mapping[str, Any] = field(default_factory=dict)


class _Drawn:
    """TrialLike at random, as a sampler without a study does."""

    def __init__(self, chance: random.Random) -> None:
        self.params: dict[str, Any] = {}
        self._chance = chance

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return self.params.setdefault(name, self._chance.randrange(low, high + 1, step))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return self.params.setdefault(name, self._chance.uniform(low, high))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self.params.setdefault(name, self._chance.choice(choices))


def drawn(space: Space, seed: int) -> dict[str, Any]:
    """Parameters of a random trial."""
    trial = _Drawn(random.Random(seed))
    space.sample(trial)
    return trial.params


def random_trials(space: Space, count: int, seed: int = 0, epochs: int = EPOCHS) -> list[Past]:
    """Random trials: every third runs to its end, the others are stopped after an epoch."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        length = epochs if number % 3 == 0 else 1
        found.append(
            Past(
                parameters=drawn(space, 10_000 * seed + number),
                curve=[chance.random() for _ in range(length)],
                state=TrialState.COMPLETE if length == epochs else TrialState.PRUNED,
                attributes={"seed": 1000 + number},
            )
        )
    return found


def planned(name: str, objective: str = OBJECTIVE, epochs: int = EPOCHS, **flags: Any) -> ResolvedStudy:
    """What `search run` would make."""
    return resolve_new(StudyRequest(study=name, objective=objective, epochs=epochs, **flags), load())


def make(database: Database, plan: ResolvedStudy, name: str, past: Sequence[Past], budget: int = 100) -> StudyRecord:
    """A study with these trials, in the order of their ends."""
    with studies.create_atomically(database, name, plan.spec.to_json(), budget) as draft:
        for trial in past:
            add(draft, plan.found.objective.space, trial)
    return studies.get(database.engine, name)


def add(draft: StudyDraft, space: Space, past: Past) -> int:
    """One more trial, which ends last; returns its id."""
    execute = draft.connection.execute
    study_id, distributions = draft.study._study_id, space.distributions()
    number = execute(select(func.count()).where(models.TrialModel.study_id == study_id)).scalar_one()
    made = {"study_id": study_id, "number": number, "state": past.state}
    trial_id = execute(insert(models.TrialModel).values(made).returning(models.TrialModel.trial_id)).scalar_one()
    parameters = [
        {
            "param_name": name,
            "param_value": distributions[name].to_internal_repr(value),
            "distribution_json": distribution_to_json(distributions[name]),
        }
        for name, value in past.parameters.items()
    ]
    attributes = [{"key": name, "value_json": json.dumps(value)} for name, value in past.attributes.items()]
    steps = [
        {"step": epoch, "intermediate_value": accuracy, "intermediate_value_type": FINITE}
        for epoch, accuracy in enumerate(past.curve)
    ]
    rates = {"learning_rate": 0.01, "learning_rate_end": 0.01}
    metrics = [
        {"epoch": epoch, "token": 1, "metrics": {"accuracy": accuracy, **rates}}
        for epoch, accuracy in enumerate(past.curve)
    ]
    finite = models.TrialValueModel.TrialValueType.FINITE
    ended = [{"objective": 0, "value": max(past.curve, default=0.0), "value_type": finite}]
    for table, rows in (
        (models.TrialParamModel, parameters),
        (models.TrialUserAttributeModel, attributes),
        (models.TrialIntermediateValueModel, steps),
        (models.TrialValueModel, ended if past.state == TrialState.COMPLETE else []),
        (curves, metrics),
    ):
        if rows:
            execute(insert(table), [{"trial_id": trial_id, **row} for row in rows])
    if past.curve:  # by default, all would have the moment at which the transaction began
        execute(update(curves).where(curves.c.trial_id == trial_id).values(reported_at=func.clock_timestamp()))
    return int(trial_id)
