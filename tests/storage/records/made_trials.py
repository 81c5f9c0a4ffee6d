"""Trials as they are stored, made without training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from storage.database import Database

ADD = text("""
    WITH made AS (
        INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
        SELECT (SELECT count(*) FROM trials WHERE study_id = s.study_id), s.study_id, CAST(:state AS trialstate),
        localtimestamp - make_interval(days => :days),
        CASE WHEN :state = 'RUNNING' THEN NULL ELSE localtimestamp - make_interval(days => :days) END
        FROM studies s WHERE study_name = :name RETURNING trial_id
    ),
    valued AS (
        INSERT INTO trial_values (trial_id, objective, value, value_type)
        SELECT trial_id, 0, :value, 'FINITE' FROM made WHERE CAST(:value AS float) IS NOT NULL
    )
    INSERT INTO depthsearch.epochs (trial_id, epoch, token, metrics, layers)
    SELECT trial_id, 0, 1, CAST(:metrics AS json), CAST(:layers AS json) FROM made
""")


def add_trial(
    database: Database,
    study: str,
    *,
    state: str,
    value: float | None,
    days: int,
    metrics: Mapping[str, float],
    layers: Mapping[str, Any] | None = None,
) -> None:
    """Add a trial of one epoch that began so many days ago; one that is not running also ended then."""
    values = {"state": state, "value": value, "days": days, "name": study, "metrics": json.dumps(metrics)}
    with database.engine.begin() as connection:
        connection.execute(ADD, {**values, "layers": None if layers is None else json.dumps(layers)})
