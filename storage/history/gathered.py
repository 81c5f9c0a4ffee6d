"""What is to be stored about one trial together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from sqlalchemy import Engine

from storage.connecting.statements import Statement, execute_at_once
from storage.history.confusions import Confusion
from storage.leasing.leases import Lease, lost_error
from storage.optuna_adapter import now

# The trial's row is locked before its lease, as when a lease is taken over.
_RUNNING = "running AS (SELECT trial_id FROM trials WHERE trial_id = :trial AND state = 'RUNNING' FOR UPDATE)"
_COUNTED = (
    "held AS (UPDATE depthsearch.leases l SET writes = writes + 1 FROM running "
    "WHERE l.trial_id = running.trial_id AND token = :token RETURNING l.trial_id)"
)
_ENDED = (
    "counted AS (SELECT count(*) AS stored FROM trial_intermediate_values WHERE trial_id = :trial), "
    "held AS (DELETE FROM depthsearch.leases l USING running "
    "WHERE l.trial_id = running.trial_id AND token = :token AND (SELECT stored FROM counted) >= :epochs "
    "RETURNING l.trial_id), "
    "ended AS (UPDATE trials t SET state = CAST(:state AS trialstate), datetime_complete = CAST(:now AS timestamp) "
    "FROM held WHERE t.trial_id = held.trial_id), "
    "confused AS (INSERT INTO depthsearch.confusions (trial_id, epoch, classes, counts) "
    "SELECT trial_id, best, CAST(classes AS json), CAST(counts AS json) FROM held, unnest(CAST(:best AS integer[]), "
    "CAST(:classes AS text[]), CAST(:counts AS text[])) AS confusion(best, classes, counts) ON CONFLICT DO NOTHING), "
    'valued AS (INSERT INTO trial_values (trial_id, objective, value, value_type) SELECT trial_id, 0, "value", '
    "'FINITE' FROM held, unnest(CAST(:values AS double precision[])) AS \"value\")"
)
# Parameters that are stored already, by a call whose answer was lost, stay as they are.
_ROWS = (
    "drawn AS (INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) SELECT trial_id, p.* "
    "FROM held, unnest(CAST(:names AS text[]), CAST(:numbers AS double precision[]), CAST(:distributions AS text[])) "
    "AS p ON CONFLICT DO NOTHING), "
    "noted AS (INSERT INTO trial_user_attributes (trial_id, key, value_json) SELECT trial_id, a.* FROM held, "
    "unnest(CAST(:user_keys AS text[]), CAST(:user_values AS text[])) AS a "
    "ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json), "
    "marked AS (INSERT INTO trial_system_attributes (trial_id, key, value_json) SELECT trial_id, a.* FROM held, "
    "unnest(CAST(:system_keys AS text[]), CAST(:system_values AS text[])) AS a "
    "ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json) "
    "SELECT (SELECT count(*) FROM held) AS held, (SELECT state::text FROM trials WHERE trial_id = :trial) AS before"
)
_WRITE = Statement(f"WITH {_RUNNING}, {_COUNTED}, {_ROWS}")
_END = Statement(f"WITH {_RUNNING}, {_ENDED}, {_ROWS}, (SELECT stored FROM counted) AS stored")


@dataclass(kw_only=True)
class Gathered:
    """Parameters and attributes of a trial, and how it ends."""

    parameters: dict[str, tuple[float, BaseDistribution]] = field(default_factory=dict)
    """By name: the value as it is stored, and its distribution."""
    user_attributes: dict[str, Any] = field(default_factory=dict)
    system_attributes: dict[str, Any] = field(default_factory=dict)
    state: TrialState | None = None
    values: Sequence[float] | None = None
    confusion: Confusion | None = None
    """Of a trial that ends."""

    def write(self, engine: Engine, lease: Lease) -> None:
        """Store it all in one commit under the trial's lease, as the rows that Optuna's own calls would make.

        Raises:
            LeaseLost: another worker has the trial, or it was deleted.
            UpdateFinishedTrialError: the trial has ended.
        """
        if not (self.parameters or self.user_attributes or self.system_attributes):
            return
        [row] = execute_at_once(engine, _WRITE, {**_key(lease), **self._list_rows()})
        if row.held:
            return
        if row.before in (None, "RUNNING"):
            raise lost_error(lease)
        raise UpdateFinishedTrialError(f"trial id {lease.trial_id} has ended; nothing is added to it")

    def write_end(self, engine: Engine, lease: Lease, epochs: int) -> bool:
        """Do what `write` does, and end the trial; if somebody has done so before, nothing is stored.

        Args:
            epochs: That the trial has at least.

        Returns:
            Whether it has ended; if not, epochs are missing, and nothing is stored.

        Raises:
            LeaseLost: another worker has the trial, or it was deleted.
        """
        assert self.state is not None, "a trial ends in a state"
        told = {"state": self.state.name, "now": now(), "values": list(self.values or ()), "epochs": epochs}
        [row] = execute_at_once(engine, _END, {**_key(lease), **self._list_rows(), **told, **self._list_confusion()})
        if row.held or row.before not in (None, "RUNNING"):
            return True
        if row.stored < epochs:
            return False
        raise lost_error(lease)

    def _list_rows(self) -> Mapping[str, Any]:
        drawn = self.parameters.values()
        return {
            "names": list(self.parameters),
            "numbers": [number for number, _ in drawn],
            "distributions": [distribution_to_json(distribution) for _, distribution in drawn],
            "user_keys": list(self.user_attributes),
            "user_values": [json.dumps(value) for value in self.user_attributes.values()],
            "system_keys": list(self.system_attributes),
            "system_values": [json.dumps(value) for value in self.system_attributes.values()],
        }

    def _list_confusion(self) -> Mapping[str, Any]:
        found = [] if self.confusion is None else [self.confusion]
        return {
            "best": [each.epoch for each in found],
            "classes": [json.dumps(each.classes) for each in found],
            "counts": [json.dumps(each.counts, separators=(",", ":")) for each in found],
        }


def _key(lease: Lease) -> Mapping[str, Any]:
    return {"trial": lease.trial_id, "token": lease.token}
