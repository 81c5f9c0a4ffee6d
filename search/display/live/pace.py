"""How fast a study is trained, what stopping trials early has saved, and how long the rest will take."""

from __future__ import annotations

from collections import deque

from search.api.training import Progress
from search.statistics.curves import count_spared
from search.study.status_types import Status

WINDOW_SECONDS = 120.0
"""How far back a pace is measured."""
FEW_EPOCHS = 5
"""With fewer observed epochs, the seconds that workers measured tell more."""
FEW_TRIALS = 3
"""With fewer finished trials, each of the others is taken to need a full training."""


class Pace:
    """Epochs a second, as observed over the last two minutes."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def observe(self, now: float, epochs: int) -> None:
        """Note how many epochs the study has at a moment, in seconds of any clock."""
        self._seen.append((now, epochs))
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW_SECONDS:
            self._seen.popleft()

    def estimate(self, status: Status) -> float | None:
        """Return epochs a second; None while neither this view nor a worker has measured any."""
        (first, before), (last, now) = self._seen[0], self._seen[-1]
        if now - before >= FEW_EPOCHS and last > first:
            return (now - before) / (last - first)
        return sum(1 / worker.epoch_s for worker in status.workers if worker.epoch_s) or None


def count_saved(progress: Progress) -> int:
    """Return the epochs that the trials which the pruner stopped did not train."""
    stopped = (trial for trial in progress.trials if trial.state == "pruned" and trial.reason == "pruner")
    return count_spared((len(trial.accuracies) for trial in stopped), progress.epochs)


def estimate_epochs_left(progress: Progress) -> float | None:
    """Return the epochs that are still to be trained; None where the budget does not tell.

    Of a budget of trials and of epochs, the one that is reached first counts. A further trial is taken to need the mean
    of those that have finished, and one that has had that many a full training. While few have finished, each is taken
    to need a full training, which is an upper bound.
    """
    budget, states, trained = progress.status.budget, progress.status.states, progress.status.epochs_trained
    left = [] if budget.epochs is None else [float(max(0, budget.epochs - trained))]
    if budget.left is not None:
        running = [len(trial.accuracies) for trial in progress.trials if trial.state == "running"]
        each = (trained - sum(running)) / states.finished if is_known(progress) else progress.epochs
        begun = [(each if done < each else progress.epochs) - done for done in running[: budget.left]]
        left.append(float(sum(begun) + (budget.left - len(begun)) * each))
    return min(left, default=None)


def is_known(progress: Progress) -> bool:
    """Return whether enough trials have finished to tell how many epochs a trial needs."""
    return progress.status.states.finished >= FEW_TRIALS


def format_rate(rate: float) -> str:
    """Return epochs a second in the unit that suits them."""
    for unit, seconds in (("s", 1), ("min", 60)):
        if rate * seconds >= 1:
            return f"{_round(rate * seconds)} epochs/{unit}"
    return f"{_round(rate * 3600)} epochs/h"


def _round(number: float) -> str:
    return f"{number:.1f}" if number < 9.95 else f"{number:.0f}"
