"""The two sides, each in processes of its own: the service's worker, and a loop as in Optuna's guide."""

from __future__ import annotations

import gc
import importlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna

from objectives.studies.digits_depth import OBJECTIVE as DIGITS
from search.settings import Settings
from search.study import status
from search.study.create import create_or_continue
from search.study.plan import StudyRequest
from search.study.status import StudyView
from search.workers.job import WorkerJob
from search.workers.processes import start_own_process
from search.workers.worker import run_worker
from storage import url
from storage.database import connect, open_database, open_for_statements
from storage.records import studies
from tests.benchmarks.service import made_up
from tests.benchmarks.service.history import EPOCHS, fill

STUDY = "study"
# What the server imports from which workers are forked; these modules are imported by what uses them.
for name in ("search.strategies.samplers.curves", "search.strategies.pruners.rank"):
    importlib.import_module(name)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a process does: trials of `epochs` that last `pause` seconds each, a number of them or until a moment."""

    pause: float
    trials: int
    until: float
    file: str
    epochs: int = EPOCHS


def prepare(address: str, folder: Path, *, ours: bool, finished: int, running: int) -> None:
    """Create the study, with a history."""
    with open_database(url.parse(address)) as database:
        if ours:
            objective = str(Path(made_up.__file__))
            request = StudyRequest(study=STUDY, objective=objective, trials=10**6, experience="none")
            create_or_continue(database, request, settings(address, folder))
        else:
            optuna.create_study(study_name=STUDY, storage=database.optuna, direction="maximize")
        fill(database, STUDY, DIGITS.space, finished=finished, running=running)


def prepare_list(address: str, folder: Path, count: int, *, finished: int) -> None:
    """Create `count` studies of `finished` trials each."""
    prepare(address, folder, ours=True, finished=finished, running=0)
    with open_database(url.parse(address)) as database:
        spec = studies.get(database.engine, STUDY).spec
        for number in range(1, count):
            studies.create(database, f"{STUDY}-{number}", spec, 10**6)
            fill(database, f"{STUDY}-{number}", DIGITS.space, finished=finished, running=0)


def settings(address: str, folder: Path) -> Settings:
    """Return a worker's settings; everything that it keeps is in the folder."""
    return Settings(storage=address, home=folder, cache=folder / "cache", data=folder / "data")


def run_ours(address: str, folder: Path) -> None:
    """Train the study's trials as a worker of the service."""
    objective = str(Path(made_up.__file__))
    run_worker(
        WorkerJob(
            storage=address,
            study=STUDY,
            objective=objective,
            settings=settings(address, folder),
            device="cpu",
            threads=1,
        ),
        lambda: None,
        start_own_process,
    )


def run_stock(address: str, folder: Path) -> None:
    """Train the study's trials as Optuna's own storage, sampler and pruner do by default."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = load_stock(address)
    notes = made_up.Notes()
    while True:
        trial = study.ask()
        DIGITS.space.sample(trial)

        def report(epoch: int, value: float, trial: optuna.Trial = trial) -> None:
            trial.report(value, epoch)
            trial.should_prune()

        notes.train(report)
        study.tell(trial, 0.9)


def load_stock(address: str) -> optuna.Study:
    """Open the study as Optuna does by default."""
    return optuna.load_study(
        study_name=STUDY,
        storage=address.replace("postgresql:", "postgresql+psycopg2:"),
        sampler=optuna.samplers.TPESampler(seed=os.getpid()),
        pruner=optuna.pruners.MedianPruner(),
    )


def join_ours(address: str, folder: Path) -> None:
    """Read the whole study, as a worker does at its start."""
    assert StudyView(connect(url.parse(address)), STUDY).trials()


def join_stock(address: str, folder: Path) -> None:
    """Read the whole study."""
    assert load_stock(address).get_trials(deepcopy=False)


def read_status(address: str, folder: Path) -> None:
    """Do what `search status` does."""
    with open_for_statements(url.parse(address)) as engine:
        assert status.read_status(engine, studies.get(engine, STUDY))


Side = Callable[[str, Path], None]


def run_together(side: Side, address: str, folder: Path, plan: Plan, count: int = 1) -> Sequence[list[Any]]:
    """Run processes to their end, and return what each has noted."""
    os.environ[made_up.PLAN] = json.dumps(asdict(plan))
    context = multiprocessing.get_context("fork")
    gc.collect()
    gc.freeze()  # as the server does from which workers are forked
    processes = [context.Process(target=side, args=(address, folder)) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    files = [Path(f"{plan.file}.{process.pid}") for process in processes]
    return [json.loads(file.read_text()) for file in files if file.exists()]


def measure_call(side: Side, address: str, folder: Path) -> tuple[float, float]:
    """Return the seconds and the MiB of memory that one call takes in a new process."""
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)

    def measure() -> None:
        before, began = _resident(), time.perf_counter()
        side(address, folder)
        sender.send((time.perf_counter() - began, _resident() - before))

    process = multiprocessing.get_context("fork").Process(target=measure)
    process.start()
    process.join()
    took: tuple[float, float] = receiver.recv()
    return took


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
