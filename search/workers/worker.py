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
from objectives.data.batches.examples import load
from objectives.data.files.errors import DataError
from search import signals
from search.errors import SearchError
from search.strategies import policy
from search.study import prior_studies
from search.study.plan import ResolvedStudy, StudyRequest, resolve_stored
from search.study.source_networks import fetch_sources
from search.study.status import count_finished
from search.workers.checkpoint_interval import CheckpointInterval
from search.workers.checkpointing import CheckpointManager
from search.workers.heartbeat import Heartbeat
from search.workers.job import WorkerJob
from search.workers.trial import TrialRun, WorkerContext
from storage import url
from storage.blob_stores import open_store
from storage.database import connect
from storage.errors import LeaseLost, NoSlot
from storage.leasing import leases, workers
from storage.leasing.fencing import LeaseFence
from storage.leasing.leases import Lease
from storage.records import studies
from storage.records.studies import StudyRecord
from storage.retry import with_retries

BUGS_THAT_STOP = 3
IDLE_SECONDS = 0.5

_log = logging.getLogger(__name__)


def run_worker(job: WorkerJob) -> None:
    """Take trials until the study has its budget of finished ones, is stopped, or this process is told to end.

    Raises:
        SearchError: the study cannot go on; the reason is in the storage, too.
    """
    torch.set_num_threads(job.threads)
    with closing(with_retries(connect, url.parse(job.storage))) as database:
        # First of all: to read the objective's file is to run it.
        seal.install(seal.find_sealed_paths(job.settings.data, job.settings.cache))
        record = with_retries(studies.get, database.engine, job.study)
        plan = resolve_stored(record, StudyRequest(study=job.study, objective=job.objective), job.settings)
        device = torch.device(job.device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        sources = with_retries(fetch_sources, database.engine, job.study, plan.spec, plan.found.objective)
        data = load(plan.prepared, plan.split, device, classes=plan.found.objective.classes)
        worker = workers.new_worker_id()
        fence = LeaseFence(database.optuna, worker, job.settings.lease_seconds)
        heartbeat = Heartbeat(
            database,
            fence,
            worker=worker,
            study=job.study,
            device=job.device,
            lease_seconds=job.settings.lease_seconds,
            hung_seconds=job.settings.hung_seconds,
        )
        checkpoint_manager = CheckpointManager(
            database=database,
            store=open_store(job.settings.checkpoint_place),
            record=record,
            interval=CheckpointInterval(job.settings.checkpoint_share),
            best=job.settings.checkpoints_kept,
        )
        context = WorkerContext(
            database=database,
            fence=fence,
            heartbeat=heartbeat,
            checkpoint_manager=checkpoint_manager,
            objective=plan.found.objective,
            data=data,
            sources=sources,
            epochs=plan.spec.epochs,
            seed=plan.spec.seed,
        )
        Worker(context, record, plan, worker, job.settings.lease_seconds).run()


class Worker:
    """Claims trials, or takes over those of dead workers, and trains them one after another."""

    def __init__(
        self, context: WorkerContext, record: StudyRecord, plan: ResolvedStudy, worker: str, lease_seconds: float
    ) -> None:
        self._context = context
        self._record = record
        self._name = worker
        self._lease_seconds = lease_seconds
        setting = with_retries(prior_studies.build_setting, context.database.engine, plan)
        sampler, pruner = policy.build_strategies(plan.spec.sampler, plan.spec.pruner, setting, plan.spec.audit)
        self._study = with_retries(
            optuna.load_study,
            study_name=record.name,
            storage=context.database.optuna,
            sampler=sampler,
            pruner=pruner,
        )

    def run(self) -> None:
        """Work until there is nothing to do; whatever happens, the lease is let go of."""
        with_retries(self._context.heartbeat.beat, self._record.study_id)
        self._context.heartbeat.start()
        with_retries(self._context.checkpoint_manager.sweep)
        try:
            while not self._context.heartbeat.ended:
                trial = with_retries(self._next)
                if trial is not None:
                    with signals.defer_signals():
                        self._train(trial)
                elif with_retries(self._is_done):
                    return
                else:
                    # Every slot is claimed: wait for one to be given back, or for the last trials to end.
                    time.sleep(IDLE_SECONDS)
        finally:
            self._leave()

    def _next(self) -> Trial | None:
        engine = self._context.database.engine
        # Held already: the storage went away after a trial had been claimed and before it was handed out.
        lease = self._context.fence.lease or leases.take_over(
            engine, self._record.study_id, self._name, self._lease_seconds
        )
        if lease is not None:
            return self._attach(lease)
        try:
            return self._study.ask()
        except NoSlot:
            return None

    def _attach(self, lease: Lease) -> Trial:
        """A trial that another worker had begun: same number, same parameters, same seed."""
        self._context.fence.lease = lease
        self._study.get_trials(deepcopy=False)  # Optuna's cache must know a trial before it takes parameters
        return Trial(self._study, lease.trial_id)

    def _train(self, trial: Trial) -> None:
        with_retries(self._context.heartbeat.begin, trial.number)
        try:
            state = TrialRun(self._context, self._study, trial).run()
        except (LeaseLost, UpdateFinishedTrialError) as error:
            # Another worker has it, or somebody ended it by hand, in the dashboard for instance.
            _log.warning("trial %d is no longer this worker's: %s", trial.number, error)
            self._context.fence.lease = None
            return
        except DataError as error:
            with_retries(self._give_up, str(error))
        finally:
            self._context.heartbeat.finish()
        if state is None:
            with_retries(self._release)
            return
        self._context.checkpoint_manager.tidy()
        if state == TrialState.FAIL:
            with_retries(self._count_bugs)

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
        studies.set_control(self._context.database.engine, self._record.study_id, "failed", reason)
        raise SearchError(reason)

    def _is_done(self) -> bool:
        budget = studies.get(self._context.database.engine, self._record.name).trials
        return count_finished(self._study.get_trials(deepcopy=False)) >= budget

    def _release(self) -> None:
        lease = self._context.fence.lease
        if lease is not None:
            leases.release(self._context.database.engine, lease)
            self._context.fence.lease = None

    def _leave(self) -> None:
        self._context.heartbeat.stop()
        try:
            self._release()
            workers.leave(self._context.database.engine, self._name)
        except Exception as error:
            # The storage is away: the lease runs out by itself.
            _log.warning("could not sign off: %s", type(error).__name__)
