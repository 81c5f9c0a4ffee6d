"""Turns: the right to score a test set for a study, or to feed a tracker, which one process holds at a time.

A turn is a row with a fencing token, like the lease of a trial, and not a lock of the server: such a lock belongs to
a server's session, which a connection pooler lends to others between two transactions.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from storage.errors import LeaseLost
from storage.leasing import workers
from storage.leasing.leases import DEFAULT_SECONDS, EXPIRED

POLL_SECONDS = 0.2
QUIET_SECONDS = 3.0
"""How long a process waits before it says so."""
RENEWALS = 3
"""How often a turn is renewed within its length."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The right to claim a test set for a study, and to store its score."""

    engine: Engine
    study_uuid: str
    dataset: str
    token: int

    def verify(self, connection: Connection) -> None:
        """Check that the turn is still this process's, and keep it so until the connection's transaction ends.

        Raises:
            LeaseLost: another process has taken the turn.
        """
        held = text(f"SELECT 1 FROM depthsearch.turns WHERE {_MINE} FOR SHARE")
        if connection.scalar(held, _key(self)) is None:
            raise LeaseLost(
                f"this process was not heard from for too long, and another one has the turn at the test set of "
                f"{self.dataset!r} now; nothing was stored; run the same command again"
            )


@contextmanager
def hold_turn(
    engine: Engine,
    study_uuid: str,
    dataset: str,
    *,
    seconds: float = DEFAULT_SECONDS,
    tell: Callable[[str], None] = _log.warning,
) -> Iterator[Turn]:
    """Wait for, then hold, the exclusive right to score this test set for this study.

    Args:
        seconds: How long the turn outlives its process; it is renewed as long as the block lasts.
        tell: Receives a sentence if another process has the turn for longer than a moment.
    """
    turn = _wait_for_turn(engine, study_uuid, dataset, seconds, tell)
    ended = threading.Event()
    renewal = threading.Thread(target=_keep_renewing, args=(turn, seconds, ended), name="turn", daemon=True)
    renewal.start()
    try:
        yield turn
    finally:
        ended.set()
        renewal.join(seconds)
        with contextlib.suppress(SQLAlchemyError):  # a server that is gone lets the turn expire
            _set_expiry(turn, "'-infinity'")


_MINE = "study_uuid = :study AND dataset = :dataset AND token = :token"


def _key(turn: Turn) -> dict[str, object]:
    return {"study": turn.study_uuid, "dataset": turn.dataset, "token": turn.token}


def _wait_for_turn(engine: Engine, study_uuid: str, dataset: str, seconds: float, tell: Callable[[str], None]) -> Turn:
    own, started, told = workers.new_worker_id(), time.monotonic(), False
    while True:
        token, holder = _try_to_take(engine, study_uuid, dataset, own, seconds)
        if token is not None:
            return Turn(engine=engine, study_uuid=study_uuid, dataset=dataset, token=token)
        if not told and time.monotonic() - started > QUIET_SECONDS:
            host, _, process, _ = f"{holder}///".split("/", 3)
            tell(
                f"note: waiting for another command that scores or copies this study (process "
                f"{process.partition('-')[0]} on {host}); its turn ends with it, at the latest {seconds:.0f} s after "
                "it was last heard from"
            )
            told = True
        # Polled: a statement that waits in the server keeps signals from this process.
        time.sleep(POLL_SECONDS)


def _try_to_take(
    engine: Engine, study_uuid: str, dataset: str, own: str, seconds: float
) -> tuple[int | None, str | None]:
    """Return the turn's token if it is free, has expired or was a dead process's, else None; and its last holder."""
    key = {"study": study_uuid, "dataset": dataset}
    with engine.begin() as connection:
        holder = connection.scalar(
            text("SELECT holder FROM depthsearch.turns WHERE study_uuid = :study AND dataset = :dataset"), key
        )
        token = connection.scalar(
            text(
                "INSERT INTO depthsearch.turns AS l (study_uuid, dataset, token, holder, expires_at) "
                "VALUES (:study, :dataset, 1, :own, now() + make_interval(secs => :seconds)) "
                "ON CONFLICT (study_uuid, dataset) DO UPDATE SET token = l.token + 1, holder = excluded.holder, "
                "expires_at = excluded.expires_at "
                f"WHERE l.expires_at = '-infinity' OR l.holder = :dead OR {EXPIRED} RETURNING token"
            ),
            {**key, "own": own, "seconds": seconds, "dead": holder if holder and workers.is_dead(holder) else None},
        )
    return token, holder


def _keep_renewing(turn: Turn, seconds: float, ended: threading.Event) -> None:
    while not ended.wait(seconds / RENEWALS):
        try:
            _set_expiry(turn, "now() + make_interval(secs => :seconds)", seconds)
        except SQLAlchemyError as error:  # a restart of the server; the turn may last until the next renewal
            _log.info("the turn at a test set could not be renewed: %s", error)


def _set_expiry(turn: Turn, moment: str, seconds: float = 0) -> None:
    with turn.engine.begin() as connection:
        connection.execute(
            text(f"UPDATE depthsearch.turns SET expires_at = {moment} WHERE {_MINE}"),
            {**_key(turn), "seconds": seconds},
        )
