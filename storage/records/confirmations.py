"""Trials trained again with other seeds: an interrupted confirmation does not repeat what is stored here."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert

from storage.schema import confirmations


@dataclass(frozen=True, kw_only=True)
class SeedTraining:
    """One training of a trial's configuration with another seed."""

    accuracy: float | None = None
    """Validation accuracy at the best epoch, from 0 to 1; None if the training failed."""
    best_epoch: int | None = None
    """0-based; None if the training failed."""
    failure: str | None = None
    """Why the training failed; None if it did not."""


def record(engine: Engine, trial_id: int, seed: int, training: SeedTraining) -> None:
    """Store a training, unless one of the same trial and seed is stored already."""
    with engine.begin() as connection:
        connection.execute(
            insert(confirmations)
            .values(
                trial_id=trial_id,
                seed=seed,
                accuracy=training.accuracy,
                best_epoch=training.best_epoch,
                failure=training.failure,
            )
            .on_conflict_do_nothing()
        )


def find(engine: Engine, trial_id: int, seed: int) -> SeedTraining | None:
    """Return the trial's training with this seed; None if it has not been trained with it."""
    own = (confirmations.c.trial_id == trial_id) & (confirmations.c.seed == seed)
    with engine.begin() as connection:
        row = connection.execute(select(confirmations).where(own)).first()
    if row is None:
        return None
    return SeedTraining(accuracy=row.accuracy, best_epoch=row.best_epoch, failure=row.failure)
