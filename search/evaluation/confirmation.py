"""Confirmation: the best trials race with further seeds, on validation images, before the winner is retrained.

The best of many trials owes part of its value to a lucky seed. How much is measured here, with seeds that played
no part in the choice: the *selection optimism* is the search's best value less the mean that the chosen
configuration reaches with those seeds, on the same validation images. It leaves out the chance in the choice of
validation images, and in choosing the best epoch on them, because both numbers share them; the test set is for that.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from optuna.trial import FrozenTrial

from objectives.base.errors import Diverged, OutOfMemory, first_line
from objectives.base.seeds import derive_seed
from search.errors import SearchError
from search.evaluation import racing
from search.evaluation.final_step import FinalStep
from search.evaluation.racing import Excluded, Race, Standing
from search.evaluation.results.confirmation import Confirmation, ConfirmedCandidate, SelectionOptimism
from search.evaluation.retraining import train_with_seed
from search.evaluation.selection import check_value
from search.statistics.intervals import half_width
from search.study.status import best_epoch, rank_completed
from storage.optuna_adapter import get_trial_id
from storage.records import confirmations
from storage.records.confirmations import SeedTraining

CHOOSING = "confirm"
"""What the seeds that choose the winner are derived with."""
FRESH = "fresh"
"""What the seeds that measure the optimism are derived with."""
EXTRA_FRESH_SEEDS = 2
"""How many more seeds measure the optimism than choose: with only three, its interval would be twice as wide."""
TWO_SIDED_95 = 0.975
"""The probability on one side of each end of a 95% interval."""


def confirm(final_step: FinalStep, race: Race) -> Confirmation:
    """Race the best completed trials, then train the chosen one with fresh seeds.

    Raises:
        NothingToDo: no trial has completed.
        SearchError: no candidate could be trained to the end with every seed, or the value of one was not measured.
    """
    completed = [trial for trial in rank_completed(list(final_step.trials)) if best_epoch(trial) is not None]
    if not completed:
        raise final_step.no_completed_trial()
    if len(completed) < race.candidates:
        final_step.tell(
            f"note: all {len(completed)} completed trials take part; --confirm {race.candidates} asks for more"
        )
    candidates = {trial.number: trial for trial in completed[: race.candidates]}
    for trial in candidates.values():
        check_value(final_step, trial)
    trainer = CandidateTrainer(final_step, candidates, race.seeds)
    standings = racing.run_race(list(candidates), race.seeds, partial(trainer.measure, CHOOSING), trainer.step)
    chosen, fresh = _choose(standings, race.seeds, trainer)
    described = [_describe(candidates[number], standing, trainer.step) for number, standing in standings.items()]
    return Confirmation(
        asked=race.candidates,
        seeds=race.seeds,
        candidates=tuple(described),
        chosen=chosen,
        optimism=estimate_optimism(float(completed[0].value or 0.0), fresh, trainer.step),
    )


def estimate_optimism(best: float, fresh: Sequence[float], step: float) -> SelectionOptimism:
    """Return the selection optimism from the search's best value and the winner's accuracies with fresh seeds.

    step: what one validation image adds to an accuracy.
    """
    mean, half = statistics.fmean(fresh), half_width(fresh, step, TWO_SIDED_95)
    return SelectionOptimism(
        best_value=best,
        fresh_accuracies=tuple(fresh),
        fresh_mean=mean,
        fresh_sd=statistics.stdev(fresh),
        interval_95=(best - mean - half, best - mean + half),
    )


class CandidateTrainer:
    """Trains candidates again, each with every seed once: what an interrupted confirmation trained is not repeated."""

    def __init__(self, final_step: FinalStep, candidates: Mapping[int, FrozenTrial], seeds: int) -> None:
        self._final_step = final_step
        self._candidates = candidates
        self._seeds = {CHOOSING: seeds, FRESH: seeds + EXTRA_FRESH_SEEDS}
        self._data = final_step.load_data(merge_validation=False)
        self.step = 1 / len(self._data.validation)
        """What one validation image adds to an accuracy."""

    def measure(self, purpose: str, number: int, index: int) -> float:
        """Return candidate `number`'s validation accuracy with seed `index` (0-based) of those for a purpose.

        Raises:
            Excluded: the training diverged or ran out of memory.
        """
        trial, engine = self._candidates[number], self._final_step.engine
        seed = derive_seed(self._final_step.trial_seed(trial), purpose, index)
        stored = confirmations.find(engine, get_trial_id(trial), seed)
        training = stored or self._train(trial, seed)
        outcome = training.failure if training.accuracy is None else f"{training.accuracy:.4f}"
        name = "seed" if purpose == CHOOSING else f"{purpose} seed"
        again = " (trained before)" if stored else ""
        self._final_step.tell(f"trial {number}, {name} {index + 1} of {self._seeds[purpose]}: {outcome}{again}")
        if training.accuracy is None:
            raise Excluded(training.failure)
        return training.accuracy

    def _train(self, trial: FrozenTrial, seed: int) -> SeedTraining:
        try:
            accuracy, epoch = train_with_seed(self._final_step, trial, self._data, seed)
            training = SeedTraining(accuracy=accuracy, best_epoch=epoch)
        except Diverged as error:
            training = SeedTraining(failure=f"diverged: {first_line(error)}")
        except OutOfMemory as error:
            # Not stored, because another device may have enough memory.
            return SeedTraining(failure=f"out of memory: {first_line(error)}")
        confirmations.record(self._final_step.engine, get_trial_id(trial), seed, training)
        return training


def _choose(standings: dict[int, Standing], seeds: int, trainer: CandidateTrainer) -> tuple[int, tuple[float, ...]]:
    """Return the race's winner and its accuracies with fresh seeds; if one of those trainings fails, the next best.

    Such a failure is recorded in `standings`, in a round after those of the race. If every survivor fails, the
    candidates that were dropped for being behind are next.
    """
    while left := racing.find_survivors(standings) or racing.find_overtaken(standings):
        number = racing.pick_winner(left, trainer.step)
        measure = partial(trainer.measure, FRESH)
        fresh = racing.run_race([number], seeds + EXTRA_FRESH_SEEDS, measure, trainer.step)[number]
        if fresh.dropped_in is None:
            return number, fresh.accuracies
        standings[number] = replace(standings[number], dropped_in=seeds + fresh.dropped_in, reason=fresh.reason)
    raise SearchError(
        f"none of the {len(standings)} candidates could be trained again with every seed; give --confirm more of "
        "them, or leave it out to score the best trial"
    )


def _describe(trial: FrozenTrial, standing: Standing, step: float) -> ConfirmedCandidate:
    accuracies = standing.accuracies
    return ConfirmedCandidate(
        trial=trial.number,
        value=trial.value,
        accuracies=accuracies,
        mean=statistics.fmean(accuracies) if accuracies else None,
        sd=statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        lower_bound=racing.lower_bound(accuracies, step) if len(accuracies) > 1 else None,
        dropped_in_round=standing.dropped_in,
        reason=standing.reason,
    )
