"""A fleet that trains slowly: eight processes hold 1,000 leases, each of which is renewed by a report once a minute.

A report is what a worker's is: Optuna's value, our metrics, the renewed lease and the worker's place in the list, then
what has changed in the study, and the pruner's decision about the trial among 1,000 running ones.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import optuna
from optuna.trial import Trial
from sqlalchemy import Row, text

from objectives.studies.digits_depth import OBJECTIVE as DIGITS
from search.strategies.policy import build_strategies
from search.strategies.registry import DEFAULT_PRUNER, StrategySetting
from storage import url
from storage.connecting.statements import Question
from storage.database import Database, open_database
from storage.leasing.beats import Beat
from storage.leasing.leases import Lease
from storage.leasing.starting import start_trial
from storage.optuna_adapter import attach_trial, get_study_id, note_report
from storage.records import epochs
from tests.benchmarks.service.sides import STUDY

PROCESSES = 8
MINUTE = 60.0
LEASE_SECONDS = 3 * MINUTE
START_SECONDS = 0.05
"""For each lease, before the first report."""
EPOCHS = 100
KEPT = text(
    "SELECT count(*) AS reports, count(DISTINCT trial_id) AS trials, "
    "(SELECT count(*) FROM depthsearch.leases WHERE expires_at > now()) AS leases FROM depthsearch.epochs"
)


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What all processes do: `leases` of each report each minute, `minutes` times, from the moment `start` on."""

    address: str
    leases: int
    minutes: int
    start: float


@dataclass(frozen=True, kw_only=True)
class Member:
    """One worker of the fleet: its trial and its lease."""

    worker: str
    trial: Trial
    lease: Lease


def hold(fleet: Fleet, process: int) -> list[tuple[float, float]]:
    """Hold the leases of one process to the end.

    Returns:
        The seconds of each report: until it was stored, and until it was decided about.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    setting = StrategySetting(space=DIGITS.space, epochs=EPOCHS, seed=0)
    sampler, pruner = build_strategies("random", DEFAULT_PRUNER, setting)
    took = []
    with open_database(url.parse(fleet.address)) as database:
        study = optuna.load_study(study_name=STUDY, storage=database.history, sampler=sampler, pruner=pruner)
        members = [_join(database, study, f"fleet-{process}-{number}") for number in range(fleet.leases)]
        assert time.time() < fleet.start, f"joining took {time.time() - fleet.start:.0f} s too long"
        for minute in range(fleet.minutes):
            for number, member in enumerate(members):
                share = (number + process / PROCESSES) / fleet.leases
                time.sleep(max(0.0, fleet.start + MINUTE * (minute + share) - time.time()))
                took.append(_report(database, study, member, minute))
    return took


def _join(database: Database, study: optuna.Study, worker: str) -> Member:
    study_id, history = get_study_id(study), database.history
    lease = start_trial(database.engine, study_id, worker, LEASE_SECONDS)
    trial = attach_trial(study, lease.trial_id)
    with history.holding(study_id), history.gathering(lease):
        DIGITS.space.sample(trial)
    return Member(worker=worker, trial=trial, lease=lease)


def _report(database: Database, study: optuna.Study, member: Member, epoch: int) -> tuple[float, float]:
    study_id, value = get_study_id(study), 0.5 + 1e-3 * (member.trial.number % 100) + 1e-2 * epoch
    beat = Beat(worker=member.worker, study_id=study_id, device="cpu", trial=member.trial.number, epoch=epoch)

    def ask(question: Question) -> Row[Any]:
        metrics = {epoch: {"accuracy": value}}
        record = partial(epochs.record, database.engine, beat, member.lease, metrics, lease_seconds=LEASE_SECONDS)
        return record(question=question).answer

    began = time.perf_counter()
    with database.history.holding(study_id, ask):
        stored = time.perf_counter()
        note_report(member.trial, epoch, value)
        member.trial.should_prune()
    return stored - began, time.perf_counter() - began


def run_fleet(address: str, leases: int, minutes: int) -> Iterator[dict[str, Any]]:
    """Yield one row: how many reports, how long they took, and what is missing at the end."""
    each = leases // PROCESSES
    fleet = Fleet(address=address, leases=each, minutes=minutes, start=time.time() + 10 + START_SECONDS * leases)
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("fork")) as processes:
        took = [pair for rows in processes.map(partial(hold, fleet), range(PROCESSES)) for pair in rows]
    with open_database(url.parse(address)) as database, database.engine.connect() as connection:
        kept = connection.execute(KEPT).one()
    row: dict[str, Any] = {"leases": f"{kept.leases} of {leases}", "reports": f"{kept.reports} of {leases * minutes}"}
    for what, seconds in zip(("stored", "decided"), zip(*took, strict=True), strict=True):
        hundredths = statistics.quantiles(seconds, n=100, method="inclusive")
        row |= {f"{what} ms": 1000 * hundredths[49], f"{what} p99 ms": 1000 * hundredths[98]}
        row |= {f"{what} most ms": 1000 * max(seconds)}
    yield row
