"""What a plan of trials will come to under each pruner: how much is trained, and how many trials complete.

Estimates for people, before anything is known about the study: trials are taken to arrive in any order of quality, and
a trial that is ahead to stay ahead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from search.strategies.pruners.survivors import (
    COMPLETED_EVERY,
    FEWEST_COMPLETED,
    UNPLANNED_EVERY,
    choose_decay,
    list_decisions,
    share_survivors,
)

REDUCTION = 3
"""At each rung of successive halving, one trial in this many continues."""
EULER = 0.5772
DOUBT = 0.5
"""Factor on the power of `rank` with which its plans come to what they came to on the cases of the benchmark."""


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """What is expected of a plan with a number of trials."""

    full_trainings: float
    """All epochs that its trials train, as a multiple of a full training's."""
    complete: float
    """Trials that reach their last epoch."""


Foresee = Callable[[int, int], Foresight]
"""(trials, epochs of a full training) -> what is expected."""


def foresee_rank(trials: int, epochs: int) -> Foresight:
    """Return what is expected of `rank` in a plan with a number of trials, of which three or a tenth complete."""
    return _foresee_survivors(trials, epochs, choose_decay(trials), max(FEWEST_COMPLETED, trials / COMPLETED_EVERY))


def foresee_rank_unplanned(trials: int, epochs: int) -> Foresight:
    """Return what is expected of `rank` in a plan without a number of trials, of which one of thirty completes."""
    return _foresee_survivors(trials, epochs, choose_decay(None), max(1, trials / UNPLANNED_EVERY))


def _foresee_survivors(trials: int, epochs: int, decay: float, fewest: float) -> Foresight:
    # A trial continues as long as it may be among the survivors, which is longer than those that turn out to be.
    shares = {epoch: share_survivors(epoch, epochs, DOUBT * decay) for epoch in list_decisions(epochs)}
    return foresee_shares(trials, epochs, shares, fewest=fewest)


def foresee_rungs(trials: int, epochs: int, skipped: int = 0) -> Foresight:
    """Return what is expected of successive halving that leaves out its first rungs: at each rung a third continues."""
    rungs = sorted(count_on_rungs(trials, epochs))[skipped:]
    shares = {epoch: REDUCTION ** -float(place) for place, epoch in enumerate(rungs, start=1)}
    return foresee_shares(trials, epochs, shares)


def foresee_brackets(trials: int, epochs: int) -> Foresight:
    """Return what is expected of Hyperband, whose brackets begin one rung later each, with fewer trials each."""
    brackets = sum(REDUCTION**bracket <= epochs for bracket in range(20))
    weights = [REDUCTION ** (brackets - 1 - skipped) / (brackets - skipped) for skipped in range(brackets)]
    full_trainings = complete = 0.0
    for skipped, weight in enumerate(weights):
        own = trials * weight / sum(weights)
        part = foresee_rungs(max(1, round(own)), epochs, skipped)
        full_trainings += part.full_trainings * own / max(1, round(own))
        complete += part.complete * own / max(1, round(own))
    return Foresight(full_trainings=full_trainings, complete=complete)


def foresee_shares(trials: int, epochs: int, shares: Mapping[int, float], fewest: float = 1.0) -> Foresight:
    """Return what is expected where at each decision the best share of the trials that came so far continues.

    Args:
        trials: Of the plan.
        epochs: Of a full training; past two thirds of them every trial runs to its end.
        shares: What continues, by the epochs trained before the decision.
        fewest: Trials that complete in any case, as far as the plan has them.
    """
    running, trained = float(trials), 0.0
    for epoch in range(1, epochs + 1):
        trained += running
        if epoch in shares and epoch < epochs and 3 * epoch <= 2 * epochs:
            running = min(running, max(fewest, _count_best(trials, shares[epoch])))
    return Foresight(full_trainings=trained / epochs, complete=running)


def count_on_rungs(trials: int, epochs: int) -> dict[int, float]:
    """Return the trials at each rung of successive halving: after 2, 4, 10, 28, ... epochs a third continues."""
    powers = [REDUCTION**rung for rung in range(20) if REDUCTION**rung + 1 < epochs]
    return {power + 1: trials / power for power in powers}


def count_in_brackets(trials: int, epochs: int) -> dict[int, float]:
    """Return the trials at each rung of Hyperband, which divides them evenly among its brackets."""
    rungs = count_on_rungs(trials, epochs)
    return {epoch: count / len(rungs) for epoch, count in rungs.items()}


def foresee_none(trials: int, epochs: int) -> Foresight:
    """Return what is expected where no trial is stopped."""
    return Foresight(full_trainings=trials, complete=trials)


def foresee_median(trials: int, epochs: int, startup: int) -> Foresight:
    """Return what is expected where trials continue that are above the median of the completed ones.

    startup: trials that complete before any is stopped. Only better trials complete from then on, so the share above
    the median falls as startup / (2 completed), which adds up to sqrt(startup x trials). The others stop early, after
    about a tenth of their epochs.
    """
    complete = float(trials) if trials <= startup or epochs == 1 else math.sqrt(startup * trials)
    stopped = (trials - complete) * max(1 / epochs, 0.1)
    return Foresight(full_trainings=complete + stopped, complete=complete)


def repeat_foresight(foresee: Foresee, repeats: int) -> Foresee:
    """Return what is expected if each configuration has several trials, which train and complete alike."""

    def foresee_repeats(trials: int, epochs: int) -> Foresight:
        one = foresee(-(-trials // repeats), epochs)
        return Foresight(full_trainings=repeats * one.full_trainings, complete=repeats * one.complete)

    return foresee if repeats == 1 else foresee_repeats


def expect_trials(foresee: Foresee, trials: int | None, epoch_budget: int | None, epochs: int) -> int:
    """Return about how many trials a plan has: its number of them, or the fewest that train its budget of epochs.

    epochs: of a full training.
    """
    most = trials if trials is not None else epoch_budget
    assert most is not None, "a plan has a number of trials, a budget of epochs, or both"
    if epoch_budget is None:
        return most
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        enough = foresee(middle, epochs).full_trainings * epochs >= epoch_budget
        low, high = (low, middle) if enough else (middle + 1, high)
    return low


def _count_best(trials: int, share: float) -> float:
    """Return how many of the trials are among the best share of those that came before: at first all are."""
    early = min(trials, max(1, int(1 / share)))
    # The k-th of the early ones is the best so far with probability 1/k: together the harmonic number.
    return math.log(early) + EULER + 1 / (2 * early) + (trials - early) * share
