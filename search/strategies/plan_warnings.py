"""Warnings about a plan with too few trials for its sampler or pruner, or with too many for its space."""

from __future__ import annotations

from objectives.base.plurals import count_noun
from search.strategies.gp.encoding import Encoding
from search.strategies.registry import DEFAULT_PRUNER, find_pruner, find_sampler
from search.strategies.samplers.repeats import MOST_LISTED
from spaces import Space

# Comparing fewer trials decides nothing.
FEWEST_COMPARED = 3


def warn_about_plan(sampler: str, pruner: str, space: Space, *, trials: int, epochs: int) -> list[str]:
    """Return a sentence for each part of the plan that cannot work, and for a space that the plan exhausts.

    trials: the study's budget. epochs: of a full training.
    """
    return [
        *_warn_about_pruner(pruner, trials, epochs),
        *_warn_about_sampler(sampler, trials),
        *_warn_about_space(sampler, space, trials),
    ]


def _warn_about_pruner(pruner: str, trials: int, epochs: int) -> list[str]:
    compared = find_pruner(pruner).count_compared(trials, epochs)
    too_few = {epoch: count for epoch, count in compared.items() if count < FEWEST_COMPARED}
    if not too_few:
        return []
    epoch, count = min(too_few.items())
    return [
        f"--pruner {pruner} would compare only about {max(0, round(count))} of {trials} trials after epoch {epoch}, "
        f"too few to decide anything; use more trials, fewer epochs, or --pruner {DEFAULT_PRUNER}"
    ]


def _warn_about_sampler(sampler: str, trials: int) -> list[str]:
    startup = find_sampler(sampler).startup_trials
    if not 0 < trials <= startup:
        return []
    return [
        f"--sampler {sampler} spreads its first {startup} trials over the space and learns from later ones only, but "
        f"the budget is {trials}; use more trials"
    ]


def _warn_about_space(sampler: str, space: Space, trials: int) -> list[str]:
    if not find_sampler(sampler).avoids_repeats:
        return []
    count = Encoding(space).count(most=min(trials - 1, MOST_LISTED))
    if count is None:
        return []
    return [
        f"the space has {count_noun(count, 'configuration')}, fewer than the {trials} trials of the plan: "
        "once all have been tried, those that may be the best are trained again with further seeds"
    ]
