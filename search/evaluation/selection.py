"""Choosing the trial to retrain and score, and what its retraining needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from objectives.base.registry import resolve
from objectives.base.seeds import derive_seed
from objectives.core.run import read_training
from objectives.schedules.catalogue import SCHEDULES
from search.errors import SearchError
from search.evaluation.final_step import FinalStep
from search.statistics.curves import best_value
from search.study.status import best_epoch, best_trial
from spaces import Configuration
from storage.errors import ScoreRefused
from storage.leasing.repeats import VOID
from storage.leasing.withdrawal import is_void
from storage.optuna_adapter import get_trial_id
from storage.records import epochs


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The trial that is retrained for the score, and what that needs."""

    trial: FrozenTrial
    config: Configuration
    epochs: int
    """The number of epochs to train."""
    best_epochs: int
    """The number of epochs up to the trial's best, included."""
    losses: list[float] | None
    """Validation loss of each epoch, for a schedule that depends on it; None unless the objective reported them all."""
    accuracies: list[float] | None
    """Validation accuracy of each epoch, in the same way."""
    trial_seed: int
    """The seed that the trial was trained with."""
    seed: int
    """The seed of the retraining."""


def find_winner(final_step: FinalStep, number: int | None = None, *, full: bool = False) -> Winner:
    """Return the trial with this number, or the best completed one, with its configuration and validation losses.

    full: whether to train all epochs of the study, and not only up to the trial's best.

    Raises:
        NothingToDo: no trial has completed, or the trial has no curve to repeat.
        SearchError: the trial's value is not that of its curve.
        ScoreRefused: the test set was claimed for the trial, which was voided since.
    """
    trial = _find_trial(final_step, number)
    if trial is not None and is_void(trial):
        raise ScoreRefused(
            f"the test set of {final_step.spec.dataset!r} was claimed for trial {trial.number}, which was voided since "
            f"({trial.user_attrs[VOID]}); score the best of the others with --reopen REASON"
        )
    last = None if trial is None else best_epoch(trial)
    if trial is None or last is None:
        raise final_step.no_completed_trial()
    check_value(final_step, trial)
    seed = final_step.trial_seed(trial)
    config = final_step.objective.space.replay(trial.params)
    length = _count_full_epochs(final_step, trial, config) if full else last + 1
    return Winner(
        trial=trial,
        config=config,
        epochs=length,
        best_epochs=last + 1,
        losses=_read_metric(final_step, trial, length, "loss"),
        accuracies=_read_metric(final_step, trial, length, "accuracy"),
        trial_seed=seed,
        seed=derive_seed(seed, "final"),
    )


def check_not_voided(final_step: FinalStep, winner: Winner) -> None:
    """Check that nobody has voided the winner since it was chosen.

    Raises:
        SearchError: somebody has.
    """
    trial = final_step.database.history.get_trial(get_trial_id(winner.trial))
    if is_void(trial):
        raise SearchError(
            f"trial {trial.number} was voided while it was retrained ({trial.user_attrs[VOID]}); nothing was claimed "
            "or scored; run the same command again"
        )


def tell_of_better(final_step: FinalStep, winner: Winner) -> None:
    """Tell if the trial that the test set was claimed for is no longer the best one."""
    best = best_trial(list(final_step.trials))
    if best is not None and best.number != winner.trial.number:
        final_step.tell(
            f"note: the test set is claimed for trial {winner.trial.number}, which was the best one then and is scored "
            f"now; trial {best.number} ({best.value:.4f}) is better, and --reopen REASON scores that one"
        )


def tell_of_cut(final_step: FinalStep, winner: Winner) -> None:
    """Tell what it does to the learning rate that the retraining ends before the last epoch of the study."""
    if winner.epochs > winner.best_epochs or winner.epochs >= final_step.spec.epochs:
        return
    final_step.tell(
        f"note: trial {winner.trial.number} was best after epoch {winner.best_epochs}, and its retraining ends there"
        f"{_describe_rate(final_step, winner)}; --epochs full trains all {final_step.spec.epochs}"
    )


def check_value(final_step: FinalStep, trial: FrozenTrial) -> None:
    """Check that the trial's value is the highest accuracy of its stored curve.

    Raises:
        SearchError: it is not, so that the value was not measured.
    """
    curve = [row["accuracy"] for row in epochs.read_curve(final_step.engine, get_trial_id(trial)) if "accuracy" in row]
    best = best_value(dict(enumerate(curve)) or trial.intermediate_values)
    if trial.value is None or not math.isclose(trial.value, best, rel_tol=1e-9, abs_tol=1e-12):
        raise SearchError(
            f"trial {trial.number} is stored with the value {trial.value}, but the highest accuracy of its curve is "
            f"{best}: the storage was changed by hand; correct the value there, or start a study of another name"
        )


def _find_trial(final_step: FinalStep, number: int | None) -> FrozenTrial | None:
    if number is None:
        return best_trial(list(final_step.trials))
    return next(trial for trial in final_step.trials if trial.number == number)


def _count_full_epochs(final_step: FinalStep, trial: FrozenTrial, config: Configuration) -> int:
    """Return the study's epochs; of a schedule that looks at the losses, no more than the trial has losses of."""
    objective = final_step.objective
    if objective.train is None:
        schedule = read_training(objective, config).schedule
        if resolve(SCHEDULES, schedule, "schedule")[0].needs_metric:
            return len(epochs.read_curve(final_step.engine, get_trial_id(trial)))
    return final_step.spec.epochs


def _describe_rate(final_step: FinalStep, winner: Winner) -> str:
    """Return the learning rate after the trial's best epoch and the one it ended with; empty if equal or not stored."""
    curve = epochs.read_curve(final_step.engine, get_trial_id(winner.trial))
    rates = [row.get("learning_rate_end") for row in curve]
    if len(rates) < winner.best_epochs:
        return ""
    reached, last = rates[winner.best_epochs - 1], rates[-1]
    if reached is None or last is None or reached == last:
        return ""
    return f" at a learning rate of {reached:.3g}, not the {last:.3g} that the trial ended with"


def _read_metric(final_step: FinalStep, trial: FrozenTrial, count: int, name: str) -> list[float] | None:
    """Return a validation metric of the trial's first `count` epochs; None if one is missing."""
    curve = epochs.read_curve(final_step.engine, get_trial_id(trial))[:count]
    values = [row[name] for row in curve if name in row]
    return values if len(values) == count else None
