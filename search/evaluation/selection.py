"""Who is scored at the end: the best completed trial of a study, and what its retraining needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from optuna.trial import FrozenTrial

from objectives.base.seeds import derive_seed
from search.errors import NothingToDo
from search.evaluation.racing import Race
from search.evaluation.reopening import Reopening
from search.settings import Settings
from search.study.plan import ResolvedStudy
from search.study.status import best_epoch, best_trial
from spaces import Choice, Configuration
from storage.database import Database
from storage.optuna_adapter import get_trial_id
from storage.records import epochs
from storage.records.ledger import Claim
from storage.records.studies import StudyRecord


def _silent(line: str) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class FinalStep:
    """A study at its final step, on this machine."""

    database: Database
    record: StudyRecord
    plan: ResolvedStudy
    settings: Settings
    device: torch.device
    out: Path
    variants: tuple[Choice, ...] | None = None
    """What is to be scored instead of the plain network; None where nobody said."""
    reopening: Reopening | None = None
    """Why a test set that was claimed before is to be scored again; None where it is not."""
    race: Race | None = None
    """How the winner is chosen among the best trials; None where the best one is the winner."""
    tell: Callable[[str], None] = _silent
    """Hears one line of progress at a time."""


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The trial that is retrained for the score, and what that needs."""

    trial: FrozenTrial
    config: Configuration
    epochs: int
    """Up to the trial's best epoch, that one included."""
    trace: list[tuple[float, float]] | None
    """First and last learning rate of each epoch; None where the objective did not report them."""
    trial_seed: int
    seed: int
    """Of the retraining."""


def seed_of(final_step: FinalStep, trial: FrozenTrial) -> int:
    """The seed that the trial was trained with."""
    return int(trial.user_attrs.get("seed", derive_seed(final_step.plan.spec.seed, trial.number)))


def find_winner(
    final_step: FinalStep, trials: list[FrozenTrial], earlier: Claim | None, chosen: int | None = None
) -> Winner:
    """The best completed trial, or the one that was chosen, replayed through the study's space.

    That of a claim made earlier stays.

    Raises:
        NothingToDo: no trial has completed, or the best has no curve to train again by.
    """
    number = chosen if earlier is None else earlier.winner["trial"]
    best = best_trial(trials) if number is None else next(t for t in trials if t.number == number)
    last = None if best is None else best_epoch(best)
    if best is None or last is None:
        raise no_completed_error(final_step)
    curve = epochs.read_curve(final_step.database.engine, get_trial_id(best))
    rates = [(row.get("learning_rate"), row.get("learning_rate_end")) for row in curve[: last + 1]]
    complete = [(first, end) for first, end in rates if first is not None and end is not None]
    seed = seed_of(final_step, best)
    return Winner(
        trial=best,
        config=final_step.plan.found.objective.space.replay(best.params),
        epochs=last + 1,
        trace=complete if len(complete) == last + 1 else None,
        trial_seed=seed,
        seed=derive_seed(seed, "final"),
    )


def no_completed_error(final_step: FinalStep) -> NothingToDo:
    """The error of a study without a trial that could win."""
    return NothingToDo(
        f"study {final_step.record.name!r} has no completed trial; "
        f"train some with `search run --study {final_step.record.name}`"
    )
