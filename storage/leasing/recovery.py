"""What dead workers leave in the storage: trials that nobody trains, and rows of workers that no longer exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, text

from storage.leasing.leases import EXPIRED

STUDY_RUNNING = "t.study_id = :study AND t.state = 'RUNNING'"


@dataclass(frozen=True, kw_only=True)
class HeldTrial:
    """A RUNNING trial, by its number, and the last worker that had its lease."""

    number: int
    worker: str


def find_stale(engine: Engine, study_id: int, dead: Sequence[str], seconds: float) -> list[HeldTrial]:
    """Return the RUNNING trials of workers in `dead`, and those whose lease expired more than `seconds` ago."""
    with engine.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT t.number, l.worker FROM trials t JOIN depthsearch.leases l USING (trial_id) "
                f"WHERE {STUDY_RUNNING} AND l.expires_at <> '-infinity' AND (l.worker = ANY(:dead) "
                f"OR {EXPIRED} AND l.expires_at < now() - make_interval(secs => :seconds)) ORDER BY t.number"
            ),
            {"study": study_id, "dead": list(dead), "seconds": seconds},
        )
        return [HeldTrial(number=row.number, worker=row.worker) for row in rows]


def release_stale(engine: Engine, study_id: int, dead: Sequence[str], seconds: float) -> list[HeldTrial]:
    """Release the leases of RUNNING trials that have expired or whose worker is in `dead`, and return these trials.

    Any worker can take the trials at once. A worker that renews its lease in the meantime keeps it.

    Args:
        seconds: The length of a lease.
    """
    with engine.begin() as connection:
        rows = connection.execute(
            text(
                "UPDATE depthsearch.leases l SET expires_at = '-infinity' FROM trials t "
                f"WHERE t.trial_id = l.trial_id AND {STUDY_RUNNING} AND l.expires_at <> '-infinity' "
                f"AND (l.worker = ANY(:dead) OR {EXPIRED}) RETURNING t.number, l.worker"
            ),
            {"study": study_id, "dead": list(dead), "seconds": seconds},
        )
        return sorted((HeldTrial(number=row.number, worker=row.worker) for row in rows), key=lambda held: held.number)


def find_unleased(engine: Engine, study_id: int) -> list[int]:
    """Return the numbers of RUNNING trials that never had a lease: another program started them."""
    with engine.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT t.number FROM trials t LEFT JOIN depthsearch.leases l USING (trial_id) "
                f"WHERE {STUDY_RUNNING} AND l.trial_id IS NULL ORDER BY t.number"
            ),
            {"study": study_id},
        )
        return [row.number for row in rows]


def remove_workers(engine: Engine, study_id: int, dead: Sequence[str], silent_seconds: float) -> int:
    """Remove the workers in `dead`, and those silent for `silent_seconds`, from the study's list; return how many."""
    with engine.begin() as connection:
        result = connection.execute(
            text(
                "DELETE FROM depthsearch.workers WHERE study_id = :study AND (worker = ANY(:dead) "
                "OR beat_at < now() - make_interval(secs => :seconds))"
            ),
            {"study": study_id, "dead": list(dead), "seconds": silent_seconds},
        )
    return int(result.rowcount)
