"""Learning curves: every metric of every epoch, written under the trial's lease."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.dialects.postgresql import insert

from storage.leasing import leases
from storage.leasing.leases import Lease
from storage.schema import epochs


def record(
    connection: Connection, lease: Lease, epoch: int, metrics: Mapping[str, float], *, lease_seconds: float
) -> None:
    """Store an epoch's metrics, `accuracy` among them, and renew the lease for `lease_seconds`.

    An epoch that is stored already stays as it is.

    Raises:
        LeaseLost: another worker has the trial.
    """
    leases.renew(connection, lease, lease_seconds)
    connection.execute(
        insert(epochs)
        .values(trial_id=lease.trial_id, epoch=epoch, token=lease.token, metrics=dict(metrics))
        .on_conflict_do_nothing()
    )


def read_curve(engine: Engine, trial_id: int) -> list[dict[str, Any]]:
    """Return a trial's metrics, epoch by epoch; each has its 0-based `epoch`, too."""
    with engine.begin() as connection:
        rows = connection.execute(
            select(epochs.c.epoch, epochs.c.metrics).where(epochs.c.trial_id == trial_id).order_by(epochs.c.epoch)
        ).all()
    return [{"epoch": row.epoch, **row.metrics} for row in rows]


def count_epochs(engine: Engine, study_id: int) -> int:
    """Return how many epochs of a study's trials are stored."""
    counted = text("SELECT count(*) FROM depthsearch.epochs JOIN trials USING (trial_id) WHERE study_id = :study")
    with engine.begin() as connection:
        return int(connection.scalar(counted, {"study": study_id}) or 0)
