"""Racing: candidates are measured round by round, and those that are plainly behind are measured no further.

After Maron and Moore's races of models (1994) and Birattari et al.'s of configurations (F-Race, 2002). The bound
is Student's t, as in Moore and Lee's BRACE (1994), with one variance estimated from all that race: after two
rounds a variance of each one's own would bound nothing. It is not paired, for no two candidates share a seed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from search.errors import UsageError
from search.intervals import half_width, spread, student

SEEDS = 3
"""Of each candidate, unless asked otherwise."""
CONFIDENCE = 0.95
"""Of every bound, to one side."""
BEHIND = "behind"

Measure = Callable[[int, int], float]
"""A candidate's accuracy in a 0-based round; raises `Excluded`."""


class Excluded(Exception):
    """A candidate cannot win, and why; raised by whoever measures it."""


@dataclass(frozen=True, kw_only=True)
class Race:
    """What is asked for: so many of the best trials, over so many seeds each; both from 2 up."""

    candidates: int
    seeds: int


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """How far one candidate came: an accuracy, 0 to 1, for each round that it ran to the end."""

    accuracies: tuple[float, ...] = ()
    dropped_in: int | None = None
    """The round, counted from 1, after which it was out; None for one that arrived."""
    reason: str | None = None


def parse_race(candidates: int | None, seeds: int | None) -> Race | None:
    """The race that the command line asks for; None where it does not.

    Raises:
        UsageError: a number is below 2, or there are seeds and no candidates for them.
    """
    if candidates is None:
        if seeds is not None:
            raise UsageError(f"--confirm-seeds {seeds} needs candidates; add --confirm K, or leave it out")
        return None
    race = Race(candidates=candidates, seeds=SEEDS if seeds is None else seeds)
    for flag, number in (("--confirm", race.candidates), ("--confirm-seeds", race.seeds)):
        if number < 2:
            raise UsageError(f"{flag} must be 2 or more, but got {number}; with fewer there is nothing to compare")
    return race


def matches_race(confirmation: Mapping[str, Any] | None, race: Race) -> bool:
    """Whether a confirmation, None for none, is what this race came to."""
    return confirmation is not None and (confirmation["asked"], confirmation["seeds"]) == (
        race.candidates,
        race.seeds,
    )


def describe_confirmation(confirmation: Mapping[str, Any] | None) -> str:
    """The flags of a confirmation, in a sentence on how a winner was chosen."""
    if confirmation is None:
        return "without --confirm"
    return f"with --confirm {confirmation['asked']} --confirm-seeds {confirmation['seeds']}"


def run_race(numbers: Sequence[int], rounds: int, measure: Measure, step: float) -> dict[int, Candidate]:
    """Race the candidates of these numbers; from the second round on, those that are behind drop out.

    step: what one image of those that the accuracy is measured on adds to it.
    """
    lanes = {number: Candidate() for number in numbers}
    for index in range(rounds):
        for number in find_survivors(lanes):
            lanes[number] = _measured(lanes[number], number, index, measure)
        if index > 0:
            for number in find_behind(find_survivors(lanes), step):
                lanes[number] = replace(lanes[number], dropped_in=index + 1, reason=BEHIND)
    return lanes


def find_survivors(lanes: Mapping[int, Candidate]) -> dict[int, tuple[float, ...]]:
    """The accuracies of those that did not drop out so far."""
    return {number: lane.accuracies for number, lane in lanes.items() if lane.dropped_in is None}


def find_overtaken(lanes: Mapping[int, Candidate]) -> dict[int, tuple[float, ...]]:
    """The accuracies of those that dropped out for being behind, and for nothing else."""
    return {number: lane.accuracies for number, lane in lanes.items() if lane.reason == BEHIND}


def find_behind(accuracies: Mapping[int, Sequence[float]], step: float) -> list[int]:
    """Those whose mean is further below the highest than chance would put the best candidate's.

    All have equally many accuracies, two at least. The best is among them after a round with a probability of at
    most 1 - CONFIDENCE, which all that could be taken for better share (Bonferroni).
    """
    if len(accuracies) < 2:
        return []
    count, rounds = len(accuracies), len(next(iter(accuracies.values())))
    variance = statistics.fmean(spread(values, step) ** 2 for values in accuracies.values())
    probability = 1 - (1 - CONFIDENCE) / (count - 1)
    reach = student(probability, count * (rounds - 1)) * math.sqrt(2 * variance / rounds)
    means = {number: statistics.fmean(values) for number, values in accuracies.items()}
    return [number for number, mean in means.items() if max(means.values()) - mean > reach]


def lower_bound(accuracies: Sequence[float], step: float) -> float:
    """What the mean of ever more seeds is above: mean - t s / sqrt(S), of two accuracies or more."""
    return statistics.fmean(accuracies) - half_width(accuracies, step, CONFIDENCE)


def pick_winner(accuracies: Mapping[int, Sequence[float]], step: float) -> int:
    """The candidate with the highest lower bound, the first of equals."""
    return max(accuracies, key=lambda number: lower_bound(accuracies[number], step))


def _measured(lane: Candidate, number: int, index: int, measure: Measure) -> Candidate:
    try:
        return replace(lane, accuracies=(*lane.accuracies, measure(number, index)))
    except Excluded as reason:
        return replace(lane, dropped_in=index + 1, reason=str(reason))
