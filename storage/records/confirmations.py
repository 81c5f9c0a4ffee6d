"""Trainings of a trial's configuration with other seeds, each stored once, so that none is repeated."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert

from storage.schema import confirmations


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """One such training: the accuracy at its best epoch, and that epoch (0-based); or why it failed."""

    accuracy: float | None = None
    best_epoch: int | None = None
    failure: str | None = None


def record(engine: Engine, trial_id: int, seed: int, confirmation: Confirmation) -> None:
    """Store a training, unless one of the same trial and seed is stored already."""
    with engine.begin() as connection:
        connection.execute(
            insert(confirmations)
            .values(
                trial_id=trial_id,
                seed=seed,
                accuracy=confirmation.accuracy,
                best_epoch=confirmation.best_epoch,
                failure=confirmation.failure,
            )
            .on_conflict_do_nothing()
        )


def find(engine: Engine, trial_id: int, seed: int) -> Confirmation | None:
    """Return the trial's training with this seed; None if there was none."""
    own = (confirmations.c.trial_id == trial_id) & (confirmations.c.seed == seed)
    with engine.begin() as connection:
        row = connection.execute(select(confirmations).where(own)).first()
    if row is None:
        return None
    return Confirmation(accuracy=row.accuracy, best_epoch=row.best_epoch, failure=row.failure)
