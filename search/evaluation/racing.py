"""Racing: candidates are measured round by round, and those that are clearly behind are dropped.

After Maron and Moore's races of models (1994) and Birattari et al.'s of configurations (F-Race, 2002). The bound
is Student's t, as in Moore and Lee's BRACE (1994), with one variance pooled over all candidates still in the race:
after two rounds, a separate variance for each would bound nothing. The test is not paired, because no two
candidates share a seed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from search.errors import UsageError
from search.evaluation.results.confirmation import Confirmation
from search.statistics.intervals import half_width, spread, student

DEFAULT_SEEDS = 3
"""Seeds for each candidate."""
CONFIDENCE = 0.95
"""Of every bound, one-sided."""
BEHIND = "behind"
"""The reason of a candidate that was dropped because others are better."""

Measure = Callable[[int, int], float]
"""Returns the accuracy of a candidate (its number) in a round (0-based); raises `Excluded`."""


class Excluded(Exception):
    """A candidate cannot be measured and drops out; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Race:
    """How many of the best trials take part, and with how many seeds each; both are 2 or more."""

    candidates: int
    seeds: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far one candidate came."""

    accuracies: tuple[float, ...] = ()
    """From 0 to 1, one for each round that it finished."""
    dropped_in: int | None = None
    """The round, counted from 1, after which it was dropped; None if it finished the race."""
    reason: str | None = None


def parse_race(candidates: int | None, seeds: int | None) -> Race | None:
    """Return the race that `--confirm` and `--confirm-seeds` ask for; None without them.

    Raises:
        UsageError: a number is below 2, or there are seeds without candidates.
    """
    if candidates is None:
        if seeds is not None:
            raise UsageError(f"--confirm-seeds {seeds} needs candidates; add --confirm K, or leave it out")
        return None
    race = Race(candidates=candidates, seeds=DEFAULT_SEEDS if seeds is None else seeds)
    for flag, number in (("--confirm", race.candidates), ("--confirm-seeds", race.seeds)):
        if number < 2:
            raise UsageError(f"{flag} must be 2 or more, but got {number}; with fewer there is nothing to compare")
    return race


def matches_race(confirmation: Confirmation | None, race: Race) -> bool:
    """Return whether a confirmation is the result of such a race."""
    return confirmation is not None and (confirmation.asked, confirmation.seeds) == (race.candidates, race.seeds)


def describe_confirmation(confirmation: Confirmation | None) -> str:
    """Return the flags that led to a confirmation, to complete a sentence on how a winner was chosen."""
    if confirmation is None:
        return "without --confirm"
    return f"with --confirm {confirmation.asked} --confirm-seeds {confirmation.seeds}"


def run_race(numbers: Sequence[int], rounds: int, measure: Measure, step: float) -> dict[int, Standing]:
    """Race the candidates with these numbers; from the second round on, drop those that are behind.

    step: what one validation image adds to an accuracy.
    """
    standings = {number: Standing() for number in numbers}
    for index in range(rounds):
        for number in find_survivors(standings):
            standings[number] = _measure_round(standings[number], number, index, measure)
        if index > 0:
            for number in find_behind(find_survivors(standings), step):
                standings[number] = replace(standings[number], dropped_in=index + 1, reason=BEHIND)
    return standings


def find_survivors(standings: Mapping[int, Standing]) -> dict[int, tuple[float, ...]]:
    """Return the accuracies of the candidates that have not been dropped."""
    return {number: standing.accuracies for number, standing in standings.items() if standing.dropped_in is None}


def find_overtaken(standings: Mapping[int, Standing]) -> dict[int, tuple[float, ...]]:
    """Return the accuracies of the candidates that were dropped only because they were behind."""
    return {number: standing.accuracies for number, standing in standings.items() if standing.reason == BEHIND}


def find_behind(accuracies: Mapping[int, Sequence[float]], step: float) -> list[int]:
    """Return the candidates whose mean is further below the highest than chance explains.

    All candidates must have equally many accuracies, at least two. After any one round, the best candidate is among
    those returned with a probability of at most 1 - CONFIDENCE, shared equally by its rivals (Bonferroni).
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
    """Return the one-sided 95% lower bound of the mean over all seeds: mean - t s / sqrt(S), for S >= 2 accuracies."""
    return statistics.fmean(accuracies) - half_width(accuracies, step, CONFIDENCE)


def pick_winner(accuracies: Mapping[int, Sequence[float]], step: float) -> int:
    """Return the candidate with the highest lower bound; of equals, the first."""
    return max(accuracies, key=lambda number: lower_bound(accuracies[number], step))


def _measure_round(standing: Standing, number: int, index: int, measure: Measure) -> Standing:
    try:
        return replace(standing, accuracies=(*standing.accuracies, measure(number, index)))
    except Excluded as reason:
        return replace(standing, dropped_in=index + 1, reason=str(reason))
