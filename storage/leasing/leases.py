"""Leases: a worker's time-limited hold on a trial, with a fencing token, by the database's clock.

Each takeover gets a higher token, and a write must carry the current one (see storage.leasing.fencing): a worker
that slept through its lease and wakes up later can no longer write.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, text

from storage.connecting.statements import Statement, execute_at_once
from storage.errors import LeaseLost

DEFAULT_SECONDS = 30.0

# Whether a lease `l` of `:seconds` has expired. One that expired while the server was down stays valid for that long
# after the server's start, so that a worker which kept training can renew it first.
EXPIRED = (
    "(l.expires_at <= now() AND (l.expires_at > pg_postmaster_start_time() "
    "OR now() > pg_postmaster_start_time() + make_interval(secs => :seconds)))"
)
# Whether `:worker` may begin a trial: nobody has asked it to leave.
STAYS = "NOT EXISTS (SELECT FROM depthsearch.workers w WHERE w.worker = :worker AND w.leaves IS NOT NULL)"
TAKE_OVER = Statement(
    "WITH free AS (SELECT t.trial_id FROM trials t "
    "JOIN depthsearch.studies s ON s.study_id = t.study_id AND s.control = 'run' "
    "LEFT JOIN depthsearch.leases l ON l.trial_id = t.trial_id "
    "WHERE t.study_id = :study AND t.state = 'RUNNING' "
    "AND (s.deadline IS NULL OR s.deadline > now()) "
    f"AND (l.trial_id IS NULL OR l.expires_at = '-infinity' OR {EXPIRED}) AND {STAYS} "
    "ORDER BY t.trial_id LIMIT 1 FOR UPDATE OF t SKIP LOCKED) "
    "INSERT INTO depthsearch.leases AS l (trial_id, study_id, token, worker, expires_at) "
    "SELECT trial_id, :study, 1, :worker, now() + make_interval(secs => :seconds) FROM free "
    "ON CONFLICT (trial_id) DO UPDATE SET token = l.token + 1, worker = excluded.worker, "
    "expires_at = excluded.expires_at WHERE l.expires_at <= now() RETURNING trial_id, token, hangs"
)


@dataclass(frozen=True)
class Lease:
    """The right to write about a trial."""

    trial_id: int
    token: int
    hangs: int = field(default=0, compare=False)
    """The number of earlier holders with which the trial hung."""


def claim(connection: Connection, study_id: int, trial_id: int, worker: str, seconds: float) -> Lease:
    """Take the lease of a trial that has just become RUNNING, in the transaction that made it so, for `seconds`."""
    token = connection.scalar(
        text(
            "INSERT INTO depthsearch.leases (trial_id, study_id, token, worker, expires_at) "
            "VALUES (:trial, :study, 1, :worker, now() + make_interval(secs => :seconds)) "
            "ON CONFLICT (trial_id) DO UPDATE SET token = depthsearch.leases.token + 1, "
            "worker = excluded.worker, expires_at = excluded.expires_at RETURNING token"
        ),
        {"trial": trial_id, "study": study_id, "worker": worker, "seconds": seconds},
    )
    assert token is not None
    return Lease(trial_id, token)


def take_over(engine: Engine, study_id: int, worker: str, seconds: float) -> Lease | None:
    """Take the oldest RUNNING trial whose lease was released, has expired, or never existed, for `seconds`.

    Returns:
        The lease; None if there is no such trial, if the study was stopped or paused or its deadline has
        passed, or if the worker was asked to leave.
    """
    rows = execute_at_once(engine, TAKE_OVER, {"study": study_id, "worker": worker, "seconds": seconds})
    return Lease(rows[0].trial_id, rows[0].token, rows[0].hangs) if rows else None


def verify(connection: Connection, lease: Lease) -> None:
    """Check that the lease is the current one, and keep it so until this transaction ends.

    Raises:
        LeaseLost: another worker has the trial, or the trial has finished.
    """
    held = connection.scalar(
        text("SELECT 1 FROM depthsearch.leases WHERE trial_id = :trial AND token = :token FOR SHARE"),
        {"trial": lease.trial_id, "token": lease.token},
    )
    if held is None:
        raise lost_error(lease)


def count_write(connection: Connection, lease: Lease) -> None:
    """Check that the lease is the current one, keep it so until this transaction ends, and count its write.

    Raises:
        LeaseLost: another worker has the trial, or the trial has finished.
    """
    result = connection.execute(
        text("UPDATE depthsearch.leases SET writes = writes + 1 WHERE trial_id = :trial AND token = :token"),
        {"trial": lease.trial_id, "token": lease.token},
    )
    if result.rowcount == 0:
        raise lost_error(lease)


def end(connection: Connection, lease: Lease) -> None:
    """Remove the lease of a trial that has just finished, in the transaction that finished it.

    Raises:
        LeaseLost: another worker has the trial, or the trial has finished before.
    """
    result = connection.execute(
        text("DELETE FROM depthsearch.leases WHERE trial_id = :trial AND token = :token"),
        {"trial": lease.trial_id, "token": lease.token},
    )
    if result.rowcount == 0:
        raise lost_error(lease)


def release(engine: Engine, lease: Lease, *, hung: bool = False) -> None:
    """Release a lease, so that any worker can take the trial at once; `hung` counts this holder in `Lease.hangs`."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE depthsearch.leases SET expires_at = '-infinity', hangs = hangs + :hung "
                "WHERE trial_id = :trial AND token = :token"
            ),
            {"trial": lease.trial_id, "token": lease.token, "hung": int(hung)},
        )


def release_workers(engine: Engine, study_id: int, workers: list[str]) -> int:
    """Release every lease of the workers, which must be dead, and return how many there were."""
    with engine.begin() as connection:
        result = connection.execute(
            text(
                "UPDATE depthsearch.leases SET expires_at = '-infinity' "
                "WHERE study_id = :study AND worker = ANY(:workers)"
            ),
            {"study": study_id, "workers": workers},
        )
    return int(result.rowcount)


def lost_error(lease: Lease) -> LeaseLost:
    """Return the error for a worker that no longer holds its trial."""
    return LeaseLost(f"the lease on trial id {lease.trial_id} (token {lease.token}) has passed to another worker")
