"""A search over tabulated curves: simulated workers that ask, train epoch by epoch, report and obey the pruner."""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from spaces import Scalar, Space
from tests.benchmarks.curves import Curve


class Searched(Protocol):
    """A task whose every configuration has a curve."""

    @property
    def space(self) -> Space:
        """The configurations."""

    @property
    def epochs(self) -> int:
        """Of a full training."""

    @property
    def best(self) -> float:
        """The highest accuracy of any configuration."""

    @property
    def median(self) -> float:
        """The accuracy of the median configuration."""

    def curve(self, point: Mapping[str, Any], /) -> Curve:
        """Return what training a configuration gives."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a search came to; epochs count over all workers."""

    best: Sequence[tuple[int, float]]
    """(epochs spent, accuracy of the network with the best report) whenever there was a better report."""
    completed: Sequence[tuple[int, float]]
    """The same of the trials trained to their end, of which one would be the winner."""
    trials: Sequence[tuple[Mapping[str, Scalar], Sequence[float]]]
    """Parameters and accuracies of every finished trial."""
    epochs: int
    """Epochs trained."""


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

    def __init__(self, task: Searched, sampler: BaseSampler, pruner: BasePruner, direction: str) -> None:
        self.task = task
        self.study = optuna.create_study(direction=direction, sampler=sampler, pruner=pruner)
        self.spent = 0
        self._sign = 1.0 if direction == "maximize" else -1.0
        self._running: list[_Running] = []
        self._best = _Record()
        self._completed = _Record()
        self._finished: list[tuple[dict[str, Any], Sequence[float]]] = []
        self._begun, self._most = 0, sys.maxsize

    def run(self, *, epochs: int, workers: int, trials: int | None = None) -> Replay:
        """Continue until the given epochs are spent or the given trials have finished."""
        self._most = sys.maxsize if trials is None else trials
        for _ in range(workers):
            self._begin(0.0)
        while self.spent < epochs and self._running:
            self._step(heapq.heappop(self._running))
        return Replay(best=self._best.rises, completed=self._completed.rises, trials=self._finished, epochs=self.spent)

    def _begin(self, now: float) -> None:
        if self._begun == self._most:
            return
        self._begun += 1
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
            value = max(curve, key=lambda accuracy: self._sign * accuracy)
            self.study.tell(running.trial, value)
            self._completed.note(self.spent, self._sign * value, _worth(running.curve, running.epoch))
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
        self._best.note(self.spent, self._sign * accuracy, _worth(running.curve, running.epoch))
        running.trial.report(accuracy, running.epoch)
        if running.epoch + 1 == self.task.epochs:
            return TrialState.COMPLETE
        return TrialState.PRUNED if running.trial.should_prune() else None


class _Record:
    """The worth of the network with the best report, whenever there was a better report."""

    def __init__(self) -> None:
        self.rises: list[tuple[int, float]] = []
        self._highest = -math.inf

    def note(self, spent: int, reported: float, worth: float) -> None:
        """Note a report, higher is better."""
        if reported > self._highest:
            self._highest = reported
            self.rises.append((spent, worth))


def _worth(curve: Curve, epoch: int) -> float:
    """Return the best accuracy of a network until an epoch, without noise where that is known."""
    return max((curve.accuracies if curve.clean is None else curve.clean)[: epoch + 1])


def replay(
    task: Searched,
    sampler: BaseSampler,
    pruner: BasePruner,
    starting_points: Sequence[Mapping[str, Any]],
    *,
    epochs: int,
    workers: int = 4,
    trials: int | None = None,
    direction: str = "maximize",
) -> Replay:
    """One search by a sampler and a pruner, which begins with `starting_points`."""
    simulation = Simulation(task, sampler, pruner, direction)
    for point in starting_points:
        simulation.study.enqueue_trial(dict(point))
    return simulation.run(epochs=epochs, workers=workers, trials=trials)
