"""A worker: one process on one device that takes trials of one study until none is left."""

from __future__ import annotations

import logging
import time
from contextlib import closing

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from objectives.data import seal
from objectives.data.errors import DataError
from objectives.data.examples import load
from search import experience, policy, signals
from search.errors import SearchError
from search.job import WorkerJob
from search.outages import patiently
from search.pace import Pace
from search.plan import Plan, Request, rebuild
from search.pulse import Pulse
from search.sources import fetch
from search.status import finished
from search.trial import Bench, TrialRun
from search.unfinished import Shelf
from storage import leases, studies, url, workers
from storage.database import connect
from storage.errors import LeaseLost, NoSlot
from storage.guard import Guard
from storage.leases import Hold
from storage.stores import open_store
from storage.studies import StudyRecord

BUGS_THAT_STOP = 3
IDLE_SECONDS = 0.5

_log = logging.getLogger(__name__)


def work(job: WorkerJob) -> None:
    """Take trials until the study has its budget of finished ones, is stopped, or this process is told to end.

    Raises:
        SearchError: the study cannot go on; the reason is in the storage, too.
    """
    torch.set_num_threads(job.threads)
    with closing(patiently(connect, url.parse(job.storage))) as database:
        # First of all: to read the objective's file is to run it.
        seal.install(seal.sealed_paths(job.settings.data, job.settings.cache))
        record = patiently(studies.get, database.engine, job.study)
        plan = rebuild(record, Request(study=job.study, objective=job.objective), job.settings)
        device = torch.device(job.device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        sources = patiently(fetch, database.engine, job.study, plan.spec, plan.found.objective)
        data = load(plan.prepared, plan.split, device, classes=plan.found.objective.classes)
        worker = workers.new_id()
        guard = Guard(database.optuna, worker, job.settings.lease_seconds)
        pulse = Pulse(
            database,
            guard,
            worker=worker,
            study=job.study,
            device=job.device,
            lease_seconds=job.settings.lease_seconds,
            hung_seconds=job.settings.hung_seconds,
        )
        shelf = Shelf(
            database=database,
            store=open_store(job.settings.checkpoint_place),
            record=record,
            pace=Pace(job.settings.checkpoint_share),
            best=job.settings.checkpoints_kept,
        )
        bench = Bench(
            database=database,
            guard=guard,
            pulse=pulse,
            shelf=shelf,
            objective=plan.found.objective,
            data=data,
            sources=sources,
            epochs=plan.spec.epochs,
            seed=plan.spec.seed,
        )
        Worker(bench, record, plan, worker, job.settings.lease_seconds).run()


class Worker:
    """Claims trials, or takes over those of dead workers, and trains them one after another."""

    def __init__(self, bench: Bench, record: StudyRecord, plan: Plan, worker: str, lease_seconds: float) -> None:
        self._bench = bench
        self._record = record
        self._name = worker
        self._lease_seconds = lease_seconds
        setting = patiently(experience.setting, bench.database.engine, plan)
        sampler, pruner = policy.build(plan.spec.sampler, plan.spec.pruner, setting, plan.spec.audit)
        self._study = patiently(
            optuna.load_study,
            study_name=record.name,
            storage=bench.database.optuna,
            sampler=sampler,
            pruner=pruner,
        )

    def run(self) -> None:
        """Work until there is nothing to do; whatever happens, the lease is let go of."""
        patiently(self._bench.pulse.beat, self._record.study_id)
        self._bench.pulse.start()
        patiently(self._bench.shelf.sweep)
        try:
            while not self._bench.pulse.ended:
                trial = patiently(self._next)
                if trial is not None:
                    with signals.deferred():
                        self._train(trial)
                elif patiently(self._is_done):
                    return
                else:
                    # Every slot is claimed: wait for one to be given back, or for the last trials to end.
                    time.sleep(IDLE_SECONDS)
        finally:
            self._leave()

    def _next(self) -> Trial | None:
        engine = self._bench.database.engine
        # Held already: the storage went away after a trial had been claimed and before it was handed out.
        hold = self._bench.guard.hold or leases.take_over(
            engine, self._record.study_id, self._name, self._lease_seconds
        )
        if hold is not None:
            return self._attach(hold)
        try:
            return self._study.ask()
        except NoSlot:
            return None

    def _attach(self, hold: Hold) -> Trial:
        """A trial that another worker had begun: same number, same parameters, same seed."""
        self._bench.guard.hold = hold
        self._study.get_trials(deepcopy=False)  # Optuna's cache must know a trial before it takes parameters
        return Trial(self._study, hold.trial_id)

    def _train(self, trial: Trial) -> None:
        patiently(self._bench.pulse.begin, trial.number)
        try:
            state = TrialRun(self._bench, self._study, trial).run()
        except (LeaseLost, UpdateFinishedTrialError) as error:
            # Another worker has it, or somebody ended it by hand, in the dashboard for instance.
            _log.warning("trial %d is no longer this worker's: %s", trial.number, error)
            self._bench.guard.hold = None
            return
        except DataError as error:
            patiently(self._give_up, str(error))
        finally:
            self._bench.pulse.finish()
        if state is None:
            patiently(self._release)
            return
        self._bench.shelf.tidy()
        if state == TrialState.FAIL:
            patiently(self._count_bugs)

    def _count_bugs(self) -> None:
        failed = self._study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
        kinds = [trial.user_attrs.get("kind") for trial in failed]
        if kinds and kinds.count(kinds[-1]) >= BUGS_THAT_STOP:
            last = failed[-1].user_attrs.get("error", "an unknown error")
            self._give_up(
                f"{BUGS_THAT_STOP} trials failed in the same way ({last}); mend the objective, see the "
                f"traceback with `search status --study {self._record.name} --json`, then start a new study"
            )

    def _give_up(self, reason: str) -> None:
        self._release()
        studies.set_control(self._bench.database.engine, self._record.study_id, "failed", reason)
        raise SearchError(reason)

    def _is_done(self) -> bool:
        budget = studies.get(self._bench.database.engine, self._record.name).trials
        return finished(self._study.get_trials(deepcopy=False)) >= budget

    def _release(self) -> None:
        hold = self._bench.guard.hold
        if hold is not None:
            leases.release(self._bench.database.engine, hold)
            self._bench.guard.hold = None

    def _leave(self) -> None:
        self._bench.pulse.stop()
        try:
            self._release()
            workers.leave(self._bench.database.engine, self._name)
        except Exception as error:
            # The storage is away: the lease runs out by itself.
            _log.warning("could not sign off: %s", type(error).__name__)
