"""How many trials continue after each epoch and how many complete, which decides what a plan costs."""

from __future__ import annotations

import math

from search.strategies.gp.epoch_parts import measure_part

DECAY = 1.3
# A shorter plan stops less: one of 30 trials has few to choose from, and its user expects it to train them. With these
# it spends about what Optuna's defaults spend.
LONG_PLAN = 300
SHORT_PLAN_POWER = 0.33
# After how many parts a trial may be stopped. Among the best, early values foretell little, and every decision is one
# more chance to stop one of them that is behind by bad luck.
DECISIONS = (1, 2, 3, 5, 8, 13)
# What completes of a plan in any case: three trials or one of ten; of one without a number of trials, one of thirty.
FEWEST_COMPLETED = 3
COMPLETED_EVERY = 10
UNPLANNED_EVERY = 30


def choose_decay(trials: int | None) -> float:
    """Return the power with which the number of survivors falls.

    trials: of the plan; None if it has no number of them.
    """
    return DECAY if trials is None else DECAY * min(1.0, (trials / LONG_PLAN) ** SHORT_PLAN_POWER)


def count_survivors(trials: int, epoch: int, epochs: int, decay: float = DECAY) -> float:
    """Return how many of the trials continue after `epoch` of `epochs`: trials / (epoch + 1)^1.3, at least one.

    Successive halving keeps trials / r at each rung (Li et al. 2020), which is trials / epoch over all rungs.
    """
    return max(1.0, trials * share_survivors(epoch, epochs, decay))


def share_survivors(epoch: int, epochs: int, decay: float = DECAY) -> float:
    """Return the share of the trials that continues after `epoch` of `epochs`, 0 to 1."""
    return float((epoch / measure_part(epochs) + 1) ** -decay)


def list_decisions(epochs: int) -> list[int]:
    """Return after how many epochs of a full training of `epochs` a trial may be stopped, ascending."""
    return sorted({round(part * measure_part(epochs)) for part in DECISIONS})


def count_owed(started: int, planned: int | None) -> int:
    """Return how many trials should have completed by now, at least one.

    started: trials that have begun. planned: trials of the plan; None if it has no number of them.

    By the end of a plan of n trials it is the larger of 3 and n / 10, and on the way as much of it. A plan without a
    number of trials owes one of 30.
    """
    if planned is None:
        return max(1, started // UNPLANNED_EVERY)
    return max(1, math.ceil(min(planned, max(FEWEST_COMPLETED, planned / COMPLETED_EVERY)) * started / planned))
