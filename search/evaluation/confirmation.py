"""Confirmation: the best trials race over further seeds, on validation images, before the winner is retrained.

The best of many trials owes part of its value to a lucky seed. How much is measured here, with seeds that had no
part in choosing: the *selection optimism* is the search's best value less the mean that the chosen configuration
reaches with them, on the same validation images. The chance that lies in those images is outside of it: they are
the same in both numbers, as is the choice of the best epoch by them. For that there is the test set.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from optuna.trial import FrozenTrial

from objectives.base.errors import Diverged, OutOfMemory, first_line
from objectives.base.seeds import derive_seed
from objectives.data.batches.examples import TrainValidation
from search.errors import SearchError
from search.evaluation import racing
from search.evaluation.racing import Candidate, Excluded, Race
from search.evaluation.retraining import load_data, train_with_seed
from search.evaluation.selection import FinalStep, no_completed_error, seed_of
from search.intervals import half_width
from search.study.status import best_epoch, rank_completed
from storage.optuna_adapter import get_trial_id
from storage.records import confirmations
from storage.records.confirmations import Confirmation

# What seeds are derived with: those that choose, and those that had no part in it.
CHOOSING = "confirm"
FRESH = "fresh"
# So many more seeds measure what was luck than have chosen: over three, its interval would be twice as wide.
MORE_SEEDS = 2
# To each side of the selection optimism's interval, so 95% in all.
SIDE = 0.975


def confirm(final_step: FinalStep, trials: list[FrozenTrial], race: Race) -> dict[str, Any]:
    """Race the best completed trials, then train the chosen one with fresh seeds; what came of it, as JSON.

    Raises:
        NothingToDo: no trial has completed.
        SearchError: no candidate could be trained to the end with every seed.
    """
    completed = [trial for trial in rank_completed(trials) if best_epoch(trial) is not None]
    if not completed:
        raise no_completed_error(final_step)
    if len(completed) < race.candidates:
        final_step.tell(f"note: --confirm {race.candidates} takes all completed trials, which are {len(completed)}")
    candidates = {trial.number: trial for trial in completed[: race.candidates]}
    trainings = SeedTrainings(final_step, candidates, race.seeds)
    lanes = racing.run_race(list(candidates), race.seeds, partial(trainings.measure, CHOOSING), trainings.step)
    chosen, fresh = _chosen(lanes, race.seeds, trainings)
    return {
        "asked": race.candidates,
        "seeds": race.seeds,
        "candidates": [_row(candidates[number], lane, trainings.step) for number, lane in lanes.items()],
        "chosen": chosen,
        **estimate_optimism(float(completed[0].value or 0.0), fresh, trainings.step),
    }


def estimate_optimism(best: float, fresh: Sequence[float], step: float) -> dict[str, Any]:
    """The selection optimism with its interval, from the search's best value and the winner's fresh accuracies.

    step: what one validation image adds to an accuracy.
    """
    mean = statistics.fmean(fresh)
    off = half_width(fresh, step, SIDE)
    return {
        "best_value": best,
        "fresh_accuracies": list(fresh),
        "fresh_mean": mean,
        "fresh_sd": statistics.stdev(fresh),
        "selection_optimism": best - mean,
        "selection_optimism_interval_95": [best - mean - off, best - mean + off],
    }


class SeedTrainings:
    """Trains the candidates again, and no candidate twice with one seed, whatever ended this process before."""

    def __init__(self, final_step: FinalStep, candidates: Mapping[int, FrozenTrial], seeds: int) -> None:
        self._final_step = final_step
        self._candidates = candidates
        self._seeds = {CHOOSING: seeds, FRESH: seeds + MORE_SEEDS}
        self._data: TrainValidation = load_data(final_step, merge_validation=False)
        self.step = 1 / len(self._data.validation)

    def measure(self, purpose: str, number: int, index: int) -> float:
        """The validation accuracy of candidate `number` with seed `index` (0-based) of those for a purpose.

        Raises:
            Excluded: the training diverged or ran out of memory.
        """
        trial, engine = self._candidates[number], self._final_step.database.engine
        seed = derive_seed(seed_of(self._final_step, trial), purpose, index)
        known = confirmations.find(engine, get_trial_id(trial), seed)
        found = known or self._train(trial, seed)
        outcome = found.failure if found.accuracy is None else f"{found.accuracy:.4f}"
        name = "seed" if purpose == CHOOSING else f"{purpose} seed"
        again = " (trained before)" if known else ""
        self._final_step.tell(f"trial {number}, {name} {index + 1} of {self._seeds[purpose]}: {outcome}{again}")
        if found.accuracy is None:
            raise Excluded(found.failure)
        return found.accuracy

    def _train(self, trial: FrozenTrial, seed: int) -> Confirmation:
        try:
            accuracy, epoch = train_with_seed(self._final_step, trial, self._data, seed)
            done = Confirmation(accuracy=accuracy, best_epoch=epoch)
        except Diverged as error:
            done = Confirmation(failure=f"diverged: {first_line(error)}")
        except OutOfMemory as error:
            # Not stored: on another device it may be trained yet.
            return Confirmation(failure=f"out of memory: {first_line(error)}")
        confirmations.record(self._final_step.database.engine, get_trial_id(trial), seed, done)
        return done


def _chosen(lanes: dict[int, Candidate], seeds: int, trainings: SeedTrainings) -> tuple[int, tuple[float, ...]]:
    """The winner of the race and its fresh accuracies; where one of its trainings fails, the next best.

    Such a failure is noted in `lanes`, in a round after those of the race. Where all that arrived fail, those that
    they had left behind are next.
    """
    while left := racing.find_survivors(lanes) or racing.find_overtaken(lanes):
        number = racing.pick_winner(left, trainings.step)
        measure = partial(trainings.measure, FRESH)
        fresh = racing.run_race([number], seeds + MORE_SEEDS, measure, trainings.step)[number]
        if fresh.dropped_in is None:
            return number, fresh.accuracies
        lanes[number] = replace(lanes[number], dropped_in=seeds + fresh.dropped_in, reason=fresh.reason)
    raise SearchError(
        f"none of the {len(lanes)} candidates could be trained again with every seed; give --confirm more of "
        "them, or leave it out to score the best trial"
    )


def _row(trial: FrozenTrial, lane: Candidate, step: float) -> dict[str, Any]:
    """A candidate as it is shown; None for what so few accuracies do not give."""
    accuracies = lane.accuracies
    return {
        "trial": trial.number,
        "value": trial.value,
        "accuracies": list(accuracies),
        "seeds": len(accuracies),
        "mean": statistics.fmean(accuracies) if accuracies else None,
        "sd": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        "lower_bound": racing.lower_bound(accuracies, step) if len(accuracies) > 1 else None,
        "dropped_in_round": lane.dropped_in,
        "reason": lane.reason,
    }
