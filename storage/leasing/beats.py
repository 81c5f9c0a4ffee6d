"""What a worker tells the storage every few seconds, and what it learns from it, in one statement."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row

from storage.connecting.statements import UNHURRIED, Statement, execute_at_once
from storage.leasing.leases import Lease
from storage.leasing.workers import AT_ONCE

# The lease first, then the worker's row: every statement that takes both locks takes them in this order.
RENEWED = (
    "held AS (UPDATE depthsearch.leases l SET expires_at = now() + make_interval(secs => :seconds) FROM trials t "
    "WHERE l.trial_id = :lease AND l.token = :token AND t.trial_id = l.trial_id AND t.state = 'RUNNING' "
    "RETURNING l.trial_id), "
    "shown AS (INSERT INTO depthsearch.workers (worker, study_id, host, device, trial, epoch, beat_at) "
    "SELECT :worker, :study, :host, :device, CAST(:trial AS integer), CAST(:epoch AS integer), now() "
    "FROM (SELECT count(*) FROM held) AS first ON CONFLICT (worker) DO UPDATE SET study_id = excluded.study_id, "
    "trial = excluded.trial, epoch = excluded.epoch, beat_at = excluded.beat_at)"
)
# A study that was deleted has no row.
ORDERS = (
    "(SELECT CASE WHEN s.deadline <= now() THEN 'stop' ELSE s.control END FROM depthsearch.studies s "
    "JOIN studies USING (study_id) WHERE s.study_id = :study) AS control, "
    "(SELECT leaves FROM depthsearch.workers WHERE worker = :worker) AS leaves"
)


@dataclass(frozen=True, kw_only=True)
class Beat:
    """How a worker shows itself in the list of the study's workers."""

    worker: str
    study_id: int
    device: str
    trial: int | None = None
    """The number of its trial."""
    epoch: int | None = None
    """The last epoch that it has reported, counted from 0."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a worker is to do now."""

    ends: bool = False
    """It stores what it has of its trial and ends: the study was stopped or deleted, or its deadline has passed; or
    this worker was told to leave at once."""
    pauses: bool = False
    """It stores what it has of its trial, releases it, and waits."""
    leaves: bool = False
    """It finishes its trial and ends."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a worker learns from a beat."""

    held: bool
    """Whether it still had the lease of its trial, which it now has for longer; false for a worker without one."""
    orders: Orders


def send(engine: Engine, beat: Beat, lease: Lease | None, seconds: float) -> Answer:
    """Show that a worker is alive and renew its lease, if it has one, for `seconds`."""
    [row] = execute_at_once(engine, _BEAT, bind(beat, lease, seconds))
    return Answer(held=row.held > 0, orders=read_orders(row))


def read_orders(row: Row[Any]) -> Orders:
    """Return what the columns of ORDERS say."""
    at_once = row.leaves == AT_ONCE
    return Orders(
        ends=at_once or row.control not in ("run", "pause"),
        pauses=row.control == "pause",
        leaves=row.leaves is not None,
    )


def bind(beat: Beat, lease: Lease | None, seconds: float) -> Mapping[str, Any]:
    """Return the parameters of RENEWED and ORDERS."""
    return {
        **vars(beat),
        "study": beat.study_id,
        "host": socket.gethostname(),
        "lease": None if lease is None else lease.trial_id,
        "token": None if lease is None else lease.token,
        "seconds": seconds,
    }


_BEAT = Statement(f"WITH {RENEWED} SELECT {UNHURRIED}, (SELECT count(*) FROM held) AS held, {ORDERS}")
