"""The finished trials of a study with their curves, read in one query: what another study can learn from.

Optuna's own reading builds every trial with everything that is stored about it, which takes seconds for thousands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from sqlalchemy import Connection, Engine, text

from storage.errors import refuse_unreadable

# The curve of a trial that broke does not tell how good its configuration is.
BROKEN = ('"diverged"', '"out of memory"')

# Every trial with a curve; `ended` is the time of its last epoch, by the database's clock.
_CURVES = (
    "WITH curves AS (SELECT t.trial_id, t.number, t.state, max(e.reported_at) AS ended, "
    "count(*) = max(e.epoch) + 1 AS whole, "
    "array_agg((e.metrics ->> 'accuracy')::double precision ORDER BY e.epoch) AS curve "
    "FROM trials t JOIN depthsearch.epochs e USING (trial_id) WHERE t.study_id = :study GROUP BY t.trial_id), "
    "past AS (SELECT trial_id, number, ended, curve FROM curves c WHERE whole AND state IN ('COMPLETE', 'PRUNED') "
    "AND NOT EXISTS (SELECT 1 FROM trial_user_attributes a WHERE a.trial_id = c.trial_id AND a.key = 'reason' "
    "AND a.value_json = ANY(:broken))) "
)


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The number of a study's trials that another study can learn from, and their parameters."""

    trials: int
    parameters: frozenset[str]


def measure_extent(engine: Engine, study_id: int) -> Extent:
    """Count the trials that another study can learn from and that will always be the first ones.

    The order is that of their last epochs. Trials that ended after the last epoch of one that is still running are
    not counted: that one will come before some of them.
    """
    with engine.begin() as connection:
        row = connection.execute(
            text(
                f"{_CURVES}, settled AS (SELECT trial_id FROM past "
                "WHERE ended < coalesce((SELECT min(ended) FROM curves WHERE state = 'RUNNING'), 'infinity')) "
                "SELECT (SELECT count(*) FROM settled) AS trials, (SELECT array_agg(DISTINCT param_name) "
                "FROM trial_params JOIN settled USING (trial_id)) AS parameters"
            ),
            {"study": study_id, "broken": list(BROKEN)},
        ).one()
    return Extent(trials=row.trials, parameters=frozenset(row.parameters or ()))


def read_trials(engine: Engine, study_id: int, count: int) -> list[tuple[dict[str, Any], list[float]]]:
    """Return the parameters and the accuracy of each epoch, for the first `count` trials of `measure_extent`.

    Raises:
        UnreadableTrials: their rows were changed.
    """
    with engine.begin() as connection:
        rows = connection.execute(
            text(f"{_CURVES} SELECT trial_id, curve FROM past ORDER BY ended, number LIMIT :count"),
            {"study": study_id, "broken": list(BROKEN), "count": count},
        ).all()
        with refuse_unreadable("a study's trials"):
            parameters = _read_parameters(connection, [row.trial_id for row in rows])
    return [(parameters[row.trial_id], row.curve) for row in rows]


def _read_parameters(connection: Connection, trial_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    rows = connection.execute(
        text(
            "SELECT trial_id, param_name, param_value, distribution_json FROM trial_params "
            "WHERE trial_id = ANY(:trials) ORDER BY param_id"
        ),
        {"trials": list(trial_ids)},
    )
    for trial_id, name, value, distribution in rows:
        found[trial_id][name] = _parse_distribution(distribution).to_external_repr(value)
    return found


@cache
def _parse_distribution(written: str) -> BaseDistribution:
    # A study has few distributions and thousands of rows.
    return json_to_distribution(written)
