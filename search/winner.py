"""Who is scored at the end: the best completed trial of a study, and what its retraining needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from optuna.trial import FrozenTrial

from objectives.training.seeds import derive
from search.errors import NothingToDo
from search.plan import Plan
from search.reopening import Reopening
from search.settings import Settings
from search.status import best_epoch, best_trial
from spaces import Choice, Configuration
from storage import curves
from storage.database import Database
from storage.ledger import Claim
from storage.studies import StudyRecord


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """A study at its final step, on this machine."""

    database: Database
    record: StudyRecord
    plan: Plan
    settings: Settings
    device: torch.device
    out: Path
    variants: tuple[Choice, ...] | None = None
    """What is to be scored instead of the plain network; None where nobody said."""
    reopening: Reopening | None = None
    """Why a test set that was claimed before is to be scored again; None where it is not."""


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best completed trial and what its retraining needs."""

    trial: FrozenTrial
    config: Configuration
    epochs: int
    """Up to the trial's best epoch, that one included."""
    trace: list[tuple[float, float]] | None
    """First and last learning rate of each epoch; None where the objective did not report them."""
    trial_seed: int
    seed: int
    """Of the retraining."""


def find_winner(finalist: Finalist, trials: list[FrozenTrial], earlier: Claim | None) -> Winner:
    """The best completed trial, replayed through the study's space; that of a claim made earlier stays.

    Raises:
        NothingToDo: no trial has completed, or the best has no curve to train again by.
    """
    if earlier is None:
        best = best_trial(trials)
    else:
        best = next(trial for trial in trials if trial.number == earlier.winner["trial"])
    last = None if best is None else best_epoch(best)
    if best is None or last is None:
        raise NothingToDo(
            f"study {finalist.record.name!r} has no completed trial; "
            f"train some with `search run --study {finalist.record.name}`"
        )
    curve = curves.read(finalist.database.engine, best._trial_id)
    rates = [(row.get("learning_rate"), row.get("learning_rate_end")) for row in curve[: last + 1]]
    complete = [(first, end) for first, end in rates if first is not None and end is not None]
    seed = int(best.user_attrs.get("seed", derive(finalist.plan.spec.seed, best.number)))
    return Winner(
        trial=best,
        config=finalist.plan.found.objective.space.replay(best.params),
        epochs=last + 1,
        trace=complete if len(complete) == last + 1 else None,
        trial_seed=seed,
        seed=derive(seed, "final"),
    )
