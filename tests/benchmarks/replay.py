"""A search over tabulated curves: simulated workers that ask, train epoch by epoch, report and obey the pruner."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from spaces import Scalar
from tests.benchmarks.curves import Curve, Task


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a search came to; epochs count over all workers."""

    best: Sequence[tuple[int, float]]
    """(epochs spent, highest accuracy reported) whenever that rose."""
    completed: Sequence[tuple[int, float]]
    """The same of the trials trained to their end, of which one would be the winner."""
    trials: Sequence[tuple[Mapping[str, Scalar], Sequence[float]]]
    """Parameters and accuracies of every finished trial."""


@dataclass(order=True)
class _Running:
    """A trial and when its next epoch is over; of two at once the one that began first."""

    until: float
    number: int
    trial: optuna.Trial = field(compare=False)
    curve: Curve = field(compare=False)
    epoch: int = field(compare=False, default=0)


class Simulation:
    """One study of a task. The workers' clock is the table's: a large network holds its worker for longer."""

    def __init__(self, task: Task, sampler: BaseSampler, pruner: BasePruner) -> None:
        self.task = task
        self.study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        self.spent = 0
        self._running: list[_Running] = []
        self._best: list[tuple[int, float]] = []
        self._completed: list[tuple[int, float]] = []
        self._finished: list[tuple[dict[str, Any], Sequence[float]]] = []

    def run(self, *, epochs: int, workers: int, trials: int | None = None) -> Replay:
        """Continue until the given epochs are spent or the given trials have finished."""
        for _ in range(workers):
            self._begin(0.0)
        while self.spent < epochs and (trials is None or len(self._finished) < trials):
            self._step(heapq.heappop(self._running))
        return Replay(best=self._best, completed=self._completed, trials=self._finished)

    def _begin(self, now: float) -> None:
        trial = self.study.ask()
        self.task.space.sample(trial)
        curve = self.task.curve(trial.params)
        heapq.heappush(self._running, _Running(now + curve.seconds, trial.number, trial, curve))

    def _step(self, running: _Running) -> None:
        """One epoch of the trial that is first to end one."""
        self.spent += 1
        state = self._reported(running)
        if state is None:
            running.epoch += 1
            running.until += running.curve.seconds
            heapq.heappush(self._running, running)
            return
        curve = running.curve.accuracies[: running.epoch + 1]
        if state == TrialState.COMPLETE:
            # As in a study: the value of a trial is its best epoch's.
            self.study.tell(running.trial, max(curve))
            _raise(self._completed, self.spent, max(curve))
        else:
            self.study.tell(running.trial, state=state)
        self._finished.append((running.trial.params, curve))
        self._begin(running.until)

    def _reported(self, running: _Running) -> TrialState | None:
        """Report the epoch; how the trial ends by it, None where it goes on."""
        if running.epoch >= len(running.curve.accuracies):
            running.trial.set_constraint("feasible", 1.0)
            return TrialState.PRUNED  # it diverged
        accuracy = running.curve.accuracies[running.epoch]
        _raise(self._best, self.spent, accuracy)
        running.trial.report(accuracy, running.epoch)
        if running.epoch + 1 == self.task.epochs:
            return TrialState.COMPLETE
        return TrialState.PRUNED if running.trial.should_prune() else None


def _raise(record: list[tuple[int, float]], spent: int, value: float) -> None:
    if not record or value > record[-1][1]:
        record.append((spent, value))


def replay(
    task: Task,
    sampler: BaseSampler,
    pruner: BasePruner,
    starting_points: Sequence[Mapping[str, Any]],
    *,
    epochs: int,
    workers: int = 4,
    trials: int | None = None,
) -> Replay:
    """One search by a sampler and a pruner, which begins with `starting_points`."""
    simulation = Simulation(task, sampler, pruner)
    for point in starting_points:
        simulation.study.enqueue_trial(dict(point))
    return simulation.run(epochs=epochs, workers=workers, trials=trials)
