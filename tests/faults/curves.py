"""The curve of a trial as it is stored, in our table and in Optuna's, and when two are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

# Everything but the seconds that an epoch took.
COMPARED = ("accuracy", "loss", "train_loss", "learning_rate", "learning_rate_end")


@dataclass(frozen=True)
class Curve:
    """One trial: what must not differ between runs on the same kind of machine with as many threads."""

    number: int
    params: Mapping[str, Any]
    metrics: tuple[tuple[float, ...], ...]

    def check_same(self, other: Curve) -> None:
        """Both have the same parameters and, as far as both go, bit for bit the same metrics."""
        assert self.params == other.params
        common = min(len(self.metrics), len(other.metrics))
        assert self.metrics[:common] == other.metrics[:common], f"trial {self.number} took another course"


def trials(address: str, study: str) -> list[FrozenTrial]:
    """Every trial of a study, by a connection of its own."""
    storage = RDBStorage(address)
    try:
        return optuna.load_study(study_name=study, storage=storage).get_trials()
    finally:
        storage.remove_session()
        storage.engine.dispose()


def stored(trial: FrozenTrial, rows: Sequence[Any], epochs: int) -> Curve:
    """A finished trial's curve from our table's rows: without gaps, and the same as Optuna's."""
    assert [row.epoch for row in rows] == list(range(len(rows))), f"trial {trial.number} has gaps"
    assert {row.epoch: row.metrics["accuracy"] for row in rows} == trial.intermediate_values
    if trial.state == TrialState.COMPLETE:
        assert len(rows) == epochs
        assert trial.value == max(row.metrics["accuracy"] for row in rows)
    metrics = tuple(tuple(row.metrics[name] for name in COMPARED) for row in rows)
    return Curve(trial.number, trial.params, metrics)
