"""Studies with trials that were never trained: finished ones, and running ones whose workers only seem to live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO

import numpy as np
import optuna
from optuna.distributions import distribution_to_json
from sqlalchemy import Connection

from spaces import Space
from storage.database import Database
from storage.optuna_adapter import get_study_id

EPOCHS = 10
COMPLETE = 0.15
"""Share of the finished trials; the others are pruned."""
DRAWN = 200
"""Configurations that are drawn; further trials repeat them."""


def fill(database: Database, name: str, space: Space, *, finished: int, running: int) -> None:
    """Add trials to a study that has none."""
    drawn = list(_draw(space))
    random = np.random.default_rng(0)
    study_id = get_study_id(optuna.load_study(study_name=name, storage=database.optuna))
    tables: dict[str, list[str]] = {}
    with database.engine.begin() as connection:
        first = int(connection.exec_driver_sql("SELECT coalesce(max(trial_id), 0) + 1 FROM trials").scalar_one())
        for number in range(finished + running):
            trial = first + number
            whole = random.random() < COMPLETE
            state = "RUNNING" if number >= finished else "COMPLETE" if whole else "PRUNED"
            epochs = EPOCHS if whole else int(random.integers(1, EPOCHS))
            curve = 0.5 * random.uniform(0.3, 0.95) * (1 - np.exp(-0.5 * np.arange(1, epochs + 1)))
            ended = "\\N" if state == "RUNNING" else "2026-01-01 00:10:00"
            add = lambda table, *row: tables.setdefault(table, []).append("\t".join(map(str, row)))  # noqa: E731
            add("trials(trial_id,number,study_id,state,datetime_start,datetime_complete)",
                trial, number, study_id, state, "2026-01-01 00:00:00", ended)  # fmt: skip
            for parameter, value, distribution in drawn[number % DRAWN]:
                add("trial_params(trial_id,param_name,param_value,distribution_json)",
                    trial, parameter, value, distribution)  # fmt: skip
            for epoch, value in enumerate(curve):
                add("trial_intermediate_values(trial_id,step,intermediate_value,intermediate_value_type)",
                    trial, epoch, value, "FINITE")  # fmt: skip
                add("depthsearch.epochs(trial_id,epoch,token,metrics)",
                    trial, epoch, 1, json.dumps({"accuracy": value}))  # fmt: skip
            for key, word in {"seed": number, "hardware": '"CPU"', "threads": 1}.items():
                add("trial_user_attributes(trial_id,key,value_json)", trial, key, word)
            if state == "RUNNING":
                add("depthsearch.leases(trial_id,study_id,token,worker,expires_at)",
                    trial, study_id, 1, "away", "infinity")  # fmt: skip
            else:
                add("trial_values(trial_id,objective,value,value_type)", trial, 0, max(curve), "FINITE")
        for table, lines in tables.items():
            _copy(connection, table, lines)
        connection.exec_driver_sql("SELECT setval('trials_trial_id_seq', (SELECT max(trial_id) FROM trials) + 1)")
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


def _copy(connection: Connection, table: str, lines: list[str]) -> None:
    with connection.connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} FROM STDIN", StringIO("\n".join(lines) + "\n"))


def _draw(space: Space) -> Iterator[list[tuple[str, float, str]]]:
    """Yield configurations as Optuna stores them: name, number, distribution."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(DRAWN):
        trial = study.ask()
        space.sample(trial)
        yield [
            (name, kind.to_internal_repr(trial.params[name]), distribution_to_json(kind))
            for name, kind in trial.distributions.items()
        ]
