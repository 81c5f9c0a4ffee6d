"""Learning curves: every metric of every epoch, written under the trial's lease, to Optuna's tables and ours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from sqlalchemy import Engine, Row, select, text

from storage.connecting.statements import UNHURRIED, Question, Statement, execute_at_once
from storage.leasing.beats import ORDERS, RENEWED, Beat, Orders, bind, read_orders
from storage.leasing.leases import Lease, lost_error
from storage.schema import epochs

# An epoch that is stored already stays as it is.
_RECORD = Statement(
    f"WITH {RENEWED}, told AS (SELECT trial_id, told.* FROM held, unnest(CAST(:epochs AS integer[]), "
    "CAST(:accuracies AS double precision[]), CAST(:metrics AS text[]), CAST(:layers AS text[])) "
    "AS told(epoch, accuracy, metrics, layers)), "
    "optuna AS (INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
    "SELECT trial_id, epoch, accuracy, 'FINITE' FROM told ON CONFLICT DO NOTHING), "
    "ours AS (INSERT INTO depthsearch.epochs (trial_id, epoch, token, metrics, layers) "
    "SELECT trial_id, epoch, :token, CAST(metrics AS json), CAST(layers AS json) FROM told ON CONFLICT DO NOTHING) "
    f"SELECT {UNHURRIED}"
)
_NOTHING = Statement("SELECT 1")
# After it, in the same round trip and commit: who held the lease then holds it until the commit.
_OUTCOME = (
    "(SELECT state::text FROM trials WHERE trial_id = :lease) AS state, EXISTS (SELECT FROM depthsearch.leases "
    "WHERE trial_id = :lease AND token = :token) AS held, (SELECT count(*) FROM trial_intermediate_values "
    f"WHERE trial_id = :lease AND step < :first) AS before, {ORDERS}"
)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a worker learns when it stores epochs."""

    before: int
    """How many epochs were stored before the first of these: fewer if the server broke down and lost the last ones."""
    orders: Orders
    answer: Row[Any]
    """To the question."""


def record(
    engine: Engine,
    beat: Beat,
    lease: Lease,
    metrics: Mapping[int, Mapping[str, float]],
    *,
    lease_seconds: float,
    layers: Mapping[int, Mapping[str, Any]] | None = None,
    question: Question | None = None,
) -> Recorded:
    """Store epochs, renew the lease, and show how far the worker is: one round trip, one commit.

    Args:
        metrics: Of each epoch, by its 0-based number; `accuracy` among them, all finite.
        layers: What was measured inside the network, of some of these epochs.
        question: What else the worker wants to know, once they are stored.

    Raises:
        LeaseLost: another worker has the trial, or it was deleted.
        UpdateFinishedTrialError: the trial has ended.
    """
    told = {
        "epochs": list(metrics),
        "accuracies": [each["accuracy"] for each in metrics.values()],
        "metrics": [json.dumps(dict(each)) for each in metrics.values()],
        "layers": [json.dumps(layers[epoch]) if layers and epoch in layers else None for epoch in metrics],
        "first": min(metrics),
    }
    asked = _NOTHING if question is None else question.statement
    parameters = {**bind(beat, lease, lease_seconds), **told, **({} if question is None else question.parameters)}
    [row] = execute_at_once(engine, (_RECORD, _with_outcome(asked)), parameters)
    if row.state not in (None, "RUNNING"):
        raise UpdateFinishedTrialError(f"trial id {lease.trial_id} has ended; it takes no further epoch")
    if not row.held or row.state is None:
        raise lost_error(lease)
    return Recorded(before=row.before, orders=read_orders(row), answer=row)


@cache
def _with_outcome(question: Statement) -> Statement:
    return Statement(f"{question.sql}, {_OUTCOME}", question.kept)


def read_curve(engine: Engine, trial_id: int) -> list[dict[str, Any]]:
    """Return a trial's metrics, epoch by epoch; each has its 0-based `epoch`, too."""
    with engine.begin() as connection:
        rows = connection.execute(
            select(epochs.c.epoch, epochs.c.metrics).where(epochs.c.trial_id == trial_id).order_by(epochs.c.epoch)
        ).all()
    return [{"epoch": row.epoch, **row.metrics} for row in rows]


def read_newer(engine: Engine, first: Mapping[int, int]) -> dict[int, list[dict[str, Any]]]:
    """Return the metrics of trials from a 0-based epoch on, as `read_curve` does, by the trials' ids.

    first: that epoch, by the trial's id.
    """
    asked = text(
        "SELECT e.trial_id, e.epoch, e.metrics FROM unnest(CAST(:ids AS integer[]), CAST(:firsts AS integer[])) "
        "AS asked(trial_id, first) JOIN depthsearch.epochs e ON e.trial_id = asked.trial_id AND e.epoch >= first "
        "ORDER BY e.trial_id, e.epoch"
    )
    found: dict[int, list[dict[str, Any]]] = {}
    with engine.begin() as connection:
        for row in connection.execute(asked, {"ids": list(first), "firsts": list(first.values())}):
            found.setdefault(row.trial_id, []).append({"epoch": row.epoch, **row.metrics})
    return found


def read_layers(engine: Engine, trial_id: int) -> dict[int, dict[str, Any]]:
    """Return what was measured inside a trial's network, by the 0-based epochs for which it was."""
    measured = select(epochs.c.epoch, epochs.c.layers).where(epochs.c.trial_id == trial_id, epochs.c.layers.isnot(None))
    with engine.begin() as connection:
        return {row.epoch: row.layers for row in connection.execute(measured.order_by(epochs.c.epoch)).all()}


def count_epochs(engine: Engine, study_id: int) -> int:
    """Return how many epochs of a study's trials are stored."""
    counted = text("SELECT count(*) FROM depthsearch.epochs JOIN trials USING (trial_id) WHERE study_id = :study")
    with engine.begin() as connection:
        return int(connection.scalar(counted, {"study": study_id}) or 0)


def read_reports(engine: Engine, study_id: int) -> Sequence[Row[Any]]:
    """Return when each epoch of a study's trials was reported, under which lease, and the time and energy it took.

    Rows have `number` (of the trial), `epoch`, `token`, `reported_at` (UTC), `seconds` and `energy_wh`, by trial and
    epoch.
    """
    reports = text(
        "SELECT number, epoch, token, reported_at AT TIME ZONE 'UTC' AS reported_at, "
        "CAST(metrics->>'seconds' AS double precision) AS seconds, "
        "CAST(metrics->>'energy_wh' AS double precision) AS energy_wh "
        "FROM depthsearch.epochs JOIN trials USING (trial_id) WHERE study_id = :study ORDER BY number, epoch"
    )
    with engine.begin() as connection:
        return connection.execute(reports, {"study": study_id}).all()
