"""The studies of a storage that workers may train now, and how far each is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from storage.connecting.statements import Statement, execute_at_once
from storage.leasing.leases import EXPIRED
from storage.leasing.repeats import COUNTS

_FREE = f"(l.trial_id IS NULL OR l.expires_at = '-infinity' OR {EXPIRED})"
# What a study was created with is long; it is looked into only for those that are open.
_OPEN = Statement(
    "WITH counted AS (SELECT s.study_id, coalesce(s.trials, s.epoch_budget) AS most, c.*, s.epoch_budget IS NOT NULL "
    "AND s.epoch_budget <= (SELECT count(*) FROM trial_intermediate_values JOIN trials t USING (trial_id) "
    f"WHERE t.study_id = s.study_id AND {COUNTS}) AS trained "
    "FROM depthsearch.studies s JOIN studies USING (study_id) CROSS JOIN LATERAL (SELECT "
    "count(*) FILTER (WHERE t.state IN ('RUNNING', 'COMPLETE', 'PRUNED')) AS taken, "
    "count(*) FILTER (WHERE t.state IN ('COMPLETE', 'PRUNED')) AS finished, "
    f"count(*) FILTER (WHERE t.state = 'RUNNING' AND {_FREE}) AS interrupted, "
    f"count(*) FILTER (WHERE t.state = 'RUNNING' AND NOT {_FREE}) AS running, "
    "CAST(extract(epoch FROM max(t.datetime_start)) AS float8) AS begun_seconds "
    "FROM trials t LEFT JOIN depthsearch.leases l USING (trial_id) WHERE t.study_id = s.study_id) c "
    "WHERE s.control = 'run' AND coalesce(s.deadline > now(), true)) "
    "SELECT study_id, name, priority, spec ->> 'objective' AS objective, spec ->> 'objective_hash' AS objective_hash, "
    "running, begun_seconds, interrupted > 0 OR taken < most AND NOT trained AS has_work "
    "FROM counted JOIN depthsearch.studies USING (study_id) "
    "WHERE finished < most AND (NOT trained OR running + interrupted > 0) ORDER BY study_id"
)


@dataclass(frozen=True, kw_only=True)
class OpenStudy:
    """A study that was neither paused nor stopped and whose budget is not spent."""

    study_id: int
    name: str
    priority: int
    objective: str
    objective_hash: str
    running: int
    """Its trials that a living worker trains."""
    begun_seconds: float | None
    """When its last trial began, in seconds since 1970; None before the first one. No date of a row stops a service."""
    has_work: bool
    """Whether a worker finds a trial: a slot of the budget is free, or a trial was interrupted."""


def list_open(engine: Engine, lease_seconds: float) -> list[OpenStudy]:
    """Return the open studies, the oldest first, by one statement.

    Args:
        lease_seconds: The length of a lease.
    """
    rows = execute_at_once(engine, _OPEN, {"seconds": lease_seconds})
    return [OpenStudy(**row._mapping) for row in rows]
