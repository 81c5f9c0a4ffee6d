"""What is to be stored about one trial together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import Executable, Table
from sqlalchemy.dialects.postgresql import insert

from storage.optuna_adapter import PARAMETERS, SYSTEM_ATTRIBUTES, USER_ATTRIBUTES, write_together


@dataclass(kw_only=True)
class Gathered:
    """Parameters and attributes of a trial, and how it ends."""

    trial_id: int
    parameters: dict[str, tuple[float, BaseDistribution]] = field(default_factory=dict)
    """By name: the value as it is stored, and its distribution."""
    user_attributes: dict[str, Any] = field(default_factory=dict)
    system_attributes: dict[str, Any] = field(default_factory=dict)
    state: TrialState | None = None
    values: Sequence[float] | None = None

    def write(self, storage: RDBStorage) -> None:
        """Store it all in one transaction, as the rows that Optuna's own calls would make; nothing if it is empty.

        Raises:
            UpdateFinishedTrialError: the trial has ended.
        """
        statements = list(self._list_statements())
        if statements or self.state is not None:
            write_together(storage, self.trial_id, statements, self.state, self.values)

    def _list_statements(self) -> Iterator[Executable]:
        parameters = [
            {"param_name": name, "param_value": value, "distribution_json": distribution_to_json(distribution)}
            for name, (value, distribution) in self.parameters.items()
        ]
        if parameters:
            # Those that are stored already, by a call whose answer was lost, stay as they are.
            yield insert(PARAMETERS).values(self._name_trial(parameters)).on_conflict_do_nothing()
        for table, attributes in ((USER_ATTRIBUTES, self.user_attributes), (SYSTEM_ATTRIBUTES, self.system_attributes)):
            rows = [{"key": key, "value_json": json.dumps(value)} for key, value in attributes.items()]
            if rows:
                yield self._overwrite(table, rows)

    def _overwrite(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> Executable:
        written = insert(table).values(self._name_trial(rows))
        changed = {"value_json": written.excluded.value_json}
        return written.on_conflict_do_update(index_elements=["trial_id", "key"], set_=changed)

    def _name_trial(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{"trial_id": self.trial_id, **row} for row in rows]
