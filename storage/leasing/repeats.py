"""Repeats: trials that share a configuration. Each one of a study's begins once, under the lock on the study's row.

A trial's user attributes say which configuration it trains: `configuration` is the number of the first trial that did,
`repeat` counts from 0, and `repeats` says how many there are to be. They are stored with its parameters; a trial that
has just been claimed and has none is the first of a configuration of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from storage.connecting.statements import Statement, execute_at_once
from storage.leasing.leases import STAYS, Lease
from storage.optuna_adapter import now

CONFIGURATION, REPEAT, REPEATS = "configuration", "repeat", "repeats"
STOPPED = "configuration stopped"
"""The reason of a trial that was stopped, or never trained, because another repeat of its configuration was stopped."""

MEMBERS = (
    "members AS (SELECT t.trial_id, t.state::text AS state, coalesce(c.value_json::integer, t.number) "
    "AS configuration, coalesce(r.value_json::integer, 0) AS repeat FROM trials t "
    f"LEFT JOIN trial_user_attributes c ON c.trial_id = t.trial_id AND c.key = '{CONFIGURATION}' "
    f"LEFT JOIN trial_user_attributes r ON r.trial_id = t.trial_id AND r.key = '{REPEAT}' WHERE t.study_id = :study)"
)
VOID = "void"
"""The user attribute of a trial that counts no more: why."""
COUNTS = f"NOT EXISTS (SELECT FROM trial_user_attributes v WHERE v.trial_id = t.trial_id AND v.key = '{VOID}')"
"""Whether the epochs of a trial `t` count."""

# Optuna's row is locked first, as Optuna itself does: only what is counted after that is counted exactly, and only if
# each statement sees what was committed before it. Every trial of a study begins under this lock.
ISOLATED = Statement("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", kept=False)
LOCK = Statement("SELECT FROM studies WHERE study_id = :study FOR UPDATE")
_WANTED = (
    "NOT EXISTS (SELECT FROM members WHERE configuration = :configuration AND repeat = :repeat AND state <> 'FAIL')"
)
_IS_STOPPED = "EXISTS (SELECT FROM members WHERE configuration = :configuration AND state = 'PRUNED')"
_FILL = (
    "drawn AS (INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
    "SELECT begun.trial_id, param_name, param_value, distribution_json FROM trial_params p, begun "
    "WHERE p.trial_id = :like ORDER BY p.param_id), "
    "noted AS (INSERT INTO trial_user_attributes (trial_id, key, value_json) SELECT trial_id, a.* FROM begun, "
    "unnest(CAST(:keys AS text[]), CAST(:values AS text[])) AS a)"
)
_NUMBER = "(SELECT count(*) FROM members)"
_START = Statement(
    f"WITH {MEMBERS}, "
    "study AS (SELECT epoch_budget FROM depthsearch.studies WHERE study_id = :study AND control = 'run' "
    f"AND coalesce(deadline > now(), true) AND {STAYS}), "
    "trained AS (SELECT count(*) AS epochs FROM trial_intermediate_values JOIN members t USING (trial_id) "
    f"WHERE (SELECT epoch_budget IS NOT NULL FROM study) AND {COUNTS}), "
    "begun AS (INSERT INTO trials (number, study_id, state, datetime_start) "
    f"SELECT {_NUMBER}, :study, 'RUNNING', CAST(:now AS timestamp) FROM study, trained "
    f"WHERE (epoch_budget IS NULL OR epochs < epoch_budget) AND {_WANTED} AND NOT {_IS_STOPPED} RETURNING trial_id), "
    "leased AS (INSERT INTO depthsearch.leases (trial_id, study_id, token, worker, expires_at) "
    "SELECT trial_id, :study, 1, :worker, now() + make_interval(secs => :seconds) FROM begun), "
    f"{_FILL} SELECT trial_id FROM begun"
)
_SKIP = Statement(
    f"WITH {MEMBERS}, begun AS (INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) "
    f"SELECT {_NUMBER}, :study, 'PRUNED', CAST(:now AS timestamp), CAST(:now AS timestamp) "
    f"WHERE {_WANTED} AND {_IS_STOPPED} RETURNING trial_id), {_FILL} SELECT trial_id FROM begun"
)


@dataclass(frozen=True, kw_only=True)
class SharedSlots:
    """How the trials of a study share the slots of its budget."""

    repeats: int = 1
    """Trials of a configuration, 1 or more: it has all their slots as soon as its first one begins."""
    keeps_failed: bool = False
    """Whether a configuration keeps its slots even if none of its trials is left that has not failed."""

    @property
    def are_shared(self) -> bool:
        """Whether slots are counted by configurations, not by trials."""
        return self.repeats > 1 or self.keeps_failed


NOT_SHARED = SharedSlots()


@dataclass(frozen=True, kw_only=True)
class MissingRepeat:
    """A repeat of a configuration that no trial trains or has trained."""

    configuration: int
    repeat: int
    like: int
    """The id of a trial of the configuration whose parameters are stored."""

    def describe(self, repeats: int) -> dict[str, int]:
        """Return the user attributes of the trial that will train it."""
        return describe_repeat(self.configuration, self.repeat, repeats)


def describe_repeat(configuration: int, repeat: int, repeats: int) -> dict[str, int]:
    """Return the user attributes of a trial that shares its configuration."""
    return {CONFIGURATION: configuration, REPEAT: repeat, REPEATS: repeats}


def start_repeat(
    engine: Engine, study_id: int, missing: MissingRepeat, repeats: int, *, worker: str, seconds: float
) -> Lease | None:
    """Begin a trial for a missing repeat, with the parameters of its configuration, and return its lease.

    Returns:
        None if it is not missing any more, its configuration was stopped, or the study begins no trial.
    """
    asked = {**_bind(study_id, missing, missing.describe(repeats)), "worker": worker, "seconds": seconds}
    rows = execute_at_once(engine, (ISOLATED, LOCK, _START), asked)
    return Lease(rows[0].trial_id, 1) if rows else None


def skip_repeat(engine: Engine, study_id: int, missing: MissingRepeat, repeats: int) -> None:
    """Store a missing repeat of a configuration that was stopped as PRUNED, unless somebody has."""
    noted: dict[str, int | str] = {**missing.describe(repeats), "reason": STOPPED}
    execute_at_once(engine, (ISOLATED, LOCK, _SKIP), _bind(study_id, missing, noted))


def _bind(study_id: int, missing: MissingRepeat, noted: Mapping[str, int | str]) -> dict[str, Any]:
    return {
        "study": study_id,
        "configuration": missing.configuration,
        "repeat": missing.repeat,
        "like": missing.like,
        "now": now(),
        "keys": list(noted),
        "values": [f'"{value}"' if isinstance(value, str) else str(value) for value in noted.values()],
    }
