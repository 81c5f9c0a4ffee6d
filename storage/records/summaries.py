"""Every trial of a study in summary: what a look at the whole study counts, without parameters and learning curves.

One statement reads the summaries of any number of studies, a tenth of what the whole trials take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import TrialState
from sqlalchemy import Engine, Row

from storage.connecting.statements import Statement, execute_at_once
from storage.errors import refuse_unreadable
from storage.history.rows import load_attributes, parse_number

_READ = Statement(
    "WITH wanted AS MATERIALIZED (SELECT study_id, trial_id, number, CAST(state AS text) AS state FROM trials "
    "WHERE study_id = ANY(CAST(:studies AS integer[]))), "
    "counted AS (SELECT trial_id, count(*) AS epochs FROM trial_intermediate_values JOIN wanted USING (trial_id) "
    "GROUP BY trial_id), "
    "noted AS (SELECT trial_id, array_agg(key) AS keys, array_agg(value_json) AS texts FROM trial_user_attributes "
    "JOIN wanted USING (trial_id) WHERE key = ANY(CAST(:notes AS text[])) GROUP BY trial_id) "
    "SELECT study_id, trial_id, number, state, value, value_type, coalesce(epochs, 0) AS epochs, keys, texts "
    "FROM wanted LEFT JOIN counted USING (trial_id) LEFT JOIN noted USING (trial_id) "
    "LEFT JOIN (SELECT * FROM trial_values WHERE objective = 0) AS valued USING (trial_id) ORDER BY trial_id",
    kept=False,
)


@dataclass(frozen=True, slots=True)
class TrialSummary:
    """A trial without its parameters and the values of its epochs."""

    trial_id: int
    """Of its row."""
    number: int
    state: TrialState
    value: float | None
    intermediate_values: range
    """The epochs that are stored: a worker stores them one after another, from 0."""
    user_attrs: dict[str, Any]
    """Those of the user attributes that were asked for."""


def read_summaries(engine: Engine, study_ids: Sequence[int], notes: Sequence[str]) -> dict[int, list[TrialSummary]]:
    """Return the trials of studies in the order of their numbers, by the study's id.

    notes: the names of the user attributes that are read.

    Raises:
        UnreadableTrials: rows were changed so that they cannot be read.
    """
    rows = execute_at_once(engine, _READ, {"studies": list(study_ids), "notes": list(notes)})
    with refuse_unreadable("a study's trials"):
        return _summarize(rows, study_ids)


def _summarize(rows: Sequence[Row[Any]], study_ids: Sequence[int]) -> dict[int, list[TrialSummary]]:
    read = load_attributes({row.trial_id: (row.keys, row.texts) for row in rows if row.keys})
    found: dict[int, list[TrialSummary]] = {study_id: [] for study_id in study_ids}
    for row in rows:
        study_id, trial_id, number, state, value, kind, epochs, *_ = tuple(row)
        number_or_none = None if kind is None else parse_number(value, kind)
        summary = TrialSummary(
            trial_id, number, TrialState[state], number_or_none, range(epochs), read.get(trial_id, {})
        )
        found[study_id].append(summary)
    return found
