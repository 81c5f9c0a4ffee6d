"""Copy finished trials to another study of the same storage: Optuna's rows and ours.

In few statements and one transaction: through Optuna's own calls, a thousand trials take minutes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from sqlalchemy import ColumnElement, Connection, Integer, Table, column, insert, literal, select, values

from storage.leasing.repeats import CONFIGURATION, REPEAT, REPEATS
from storage.optuna_adapter import (
    ENQUEUED_PARAMETERS,
    INTERMEDIATE_VALUES,
    PARAMETERS,
    SYSTEM_ATTRIBUTES,
    TRIALS,
    USER_ATTRIBUTES,
    VALUES,
)
from storage.schema import confusions, epochs

ORIGIN = "forked_from"
# The tables whose rows are copied unchanged, each with a condition on the rows.
COPIED: tuple[tuple[Table, ColumnElement[bool] | None], ...] = (
    (VALUES, None),
    (INTERMEDIATE_VALUES, None),
    # In another study a trial has another number, and is a configuration of its own.
    (USER_ATTRIBUTES, USER_ATTRIBUTES.c.key.not_in((ORIGIN, CONFIGURATION, REPEAT, REPEATS))),
    (SYSTEM_ATTRIBUTES, SYSTEM_ATTRIBUTES.c.key != ENQUEUED_PARAMETERS),
    (epochs, None),
    (confusions, None),
)


@dataclass(frozen=True, kw_only=True)
class TrialCopy:
    """A finished trial to copy: its id, its parameters as the new study has them, and the text that names it there."""

    trial_id: int
    parameters: Mapping[str, Any]
    origin: str


def copy_trials(
    connection: Connection,
    study_id: int,
    carried: Sequence[TrialCopy],
    distributions: Mapping[str, BaseDistribution],
) -> None:
    """Copy trials with curves, values and attributes to a study that has none; they are numbered from 0."""
    if not carried:
        return
    pairs = _create_trials(connection, study_id, [trial.trial_id for trial in carried])
    for table, condition in COPIED:
        _copy_rows(connection, table, condition, pairs)
    rows = [
        {
            "trial_id": pairs[trial.trial_id],
            "param_name": name,
            "param_value": distributions[name].to_internal_repr(value),
            "distribution_json": distribution_to_json(distributions[name]),
        }
        for trial in carried
        for name, value in trial.parameters.items()
    ]
    if rows:
        connection.execute(insert(PARAMETERS), rows)
    origins = [
        {"trial_id": pairs[trial.trial_id], "key": ORIGIN, "value_json": json.dumps(trial.origin)} for trial in carried
    ]
    connection.execute(insert(USER_ATTRIBUTES), origins)


def _create_trials(connection: Connection, study_id: int, trial_ids: Sequence[int]) -> dict[int, int]:
    """Create a trial for each of these and return the new ids by the old ones."""
    wanted = values(column("old", Integer), column("number", Integer), name="wanted").data(
        [(old, number) for number, old in enumerate(trial_ids)]
    )
    kept = [found for found in TRIALS.c if found.name not in ("trial_id", "study_id", "number")]
    rows = select(literal(study_id), wanted.c.number, *kept).join_from(
        wanted, TRIALS, TRIALS.c.trial_id == wanted.c.old
    )
    made = connection.execute(
        insert(TRIALS)
        .from_select(["study_id", "number", *(found.name for found in kept)], rows.order_by(wanted.c.number))
        .returning(TRIALS.c.number, TRIALS.c.trial_id)
    )
    return {trial_ids[row.number]: row.trial_id for row in made}


def _copy_rows(
    connection: Connection, table: Table, condition: ColumnElement[bool] | None, pairs: Mapping[int, int]
) -> None:
    """Copy the rows of the old trials to the new ones; each gets a new id of its own."""
    pair = values(column("old", Integer), column("new", Integer), name="pair").data(list(pairs.items()))
    # A primary key of one column is a row's id, or the trial's; that of epochs has two.
    ids = {"trial_id", *(table.primary_key.columns.keys() if len(table.primary_key) == 1 else ())}
    kept = [found for found in table.c if found.name not in ids]
    rows = select(pair.c.new, *kept).join_from(pair, table, table.c.trial_id == pair.c.old)
    if condition is not None:
        rows = rows.where(condition)
    connection.execute(insert(table).from_select(["trial_id", *(found.name for found in kept)], rows))
