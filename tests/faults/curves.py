"""The curve of a trial as it is stored, in our table and in Optuna's, and whether two are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from search.statistics.curves import find_best_epoch

# Everything but the seconds that an epoch took.
COMPARED = ("accuracy", "loss", "train_loss", "train_accuracy", "train_objective", "learning_rate", "learning_rate_end")


@dataclass(frozen=True)
class Curve:
    """What must not differ between runs of a trial on the same kind of machine with the same number of threads."""

    number: int
    params: Mapping[str, Any]
    metrics: tuple[tuple[float, ...], ...]
    matrix: tuple[int, Any] | None
    """The epoch and the counts of its confusion matrix."""

    def check_same(self, other: Curve) -> None:
        """Check that both have the same parameters and, in the epochs of both, bit for bit the same metrics.

        With the same epochs, they have the same confusion matrix.
        """
        assert self.params == other.params
        common = min(len(self.metrics), len(other.metrics))
        assert self.metrics[:common] == other.metrics[:common], f"trial {self.number} has other numbers"
        if len(self.metrics) == len(other.metrics):
            assert self.matrix == other.matrix


def trials(address: str, study: str) -> list[FrozenTrial]:
    """Return every trial of a study, over a new connection."""
    storage = RDBStorage(address)
    try:
        return optuna.load_study(study_name=study, storage=storage).get_trials()
    finally:
        storage.remove_session()
        storage.engine.dispose()


def stored(trial: FrozenTrial, rows: Sequence[Any], matrix: Any, epochs: int) -> Curve:
    """Return a finished trial's curve from our table's rows, which has no gaps and is the same as Optuna's.

    matrix: the row of its confusion matrix, that of its best epoch; None if there is none.
    """
    assert [row.epoch for row in rows] == list(range(len(rows))), f"trial {trial.number} has gaps"
    assert {row.epoch: row.metrics["accuracy"] for row in rows} == trial.intermediate_values
    if trial.state == TrialState.COMPLETE:
        assert len(rows) == epochs
        assert trial.value == max(row.metrics["accuracy"] for row in rows)
    if not rows:  # it diverged in its first epoch
        assert matrix is None
    elif "machines" not in trial.user_attrs:  # all the work of one kind of machine
        assert matrix.epoch == find_best_epoch(trial.intermediate_values)
        right = sum(row[place] for place, row in enumerate(matrix.counts))
        assert right / sum(map(sum, matrix.counts)) == trial.intermediate_values[matrix.epoch]
    metrics = tuple(tuple(row.metrics[name] for name in COMPARED) for row in rows)
    return Curve(trial.number, trial.params, metrics, None if matrix is None else (matrix.epoch, matrix.counts))
