"""A worker: one process on one device that trains trials of one study until none is left."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from contextlib import closing

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from objectives.data import seal
from objectives.data.files.errors import DataError
from objectives.data.files.mapped import MappedCopy
from objectives.discovery import make_importable
from search import signals
from search.errors import Exit, SearchError
from search.strategies import policy
from search.study import prior_studies
from search.study.outline import measure_budget
from search.study.plan import ResolvedStudy, StudyRequest, resolve_stored
from search.study.serving import Served, choose_study
from search.workers.attributes.trial_record import BUGS_THAT_STOP, find_repeated_bug
from search.workers.claims import ClaimedTrial, TrialClaimer
from search.workers.context import WorkerContext, prepare_context
from search.workers.job import DRAINED, NOTHING_CLAIMED, WorkerJob
from search.workers.ranks.training import StartProcess
from search.workers.trial import TrialRun
from storage import url
from storage.connecting.retry import with_retries
from storage.database import Database, connect
from storage.errors import LeaseLost, format_command
from storage.leasing import workers
from storage.leasing.beats import Orders
from storage.records import queue, studies
from storage.records.studies import StudyRecord

IDLE_SECONDS = 0.5

_log = logging.getLogger(__name__)


def run_worker(job: WorkerJob, note_epoch: Callable[[], None], start_process: StartProcess) -> int:
    """Train trials until the study has its budget of finished ones, is stopped, or this process is told to end.

    A worker that serves every study also ends when another one's turn has come, or this one has no trial for it.

    Args:
        job: Its study and its devices.
        note_epoch: Called whenever an epoch is stored.
        start_process: Starts the processes of trials that train on several devices.

    Returns:
        The exit code: DONE, or, if it serves every study, NOTHING_CLAIMED or DRAINED.

    Raises:
        SearchError, DataError: the study cannot continue; the reason is stored, too, unless it is this machine's.
    """
    with closing(with_retries(connect, url.parse(job.storage))) as database:
        # First of all: to read the objective's file is to run it.
        seal.install(seal.find_sealed_paths(job.settings.data, job.settings.cache))
        record = with_retries(studies.get, database.engine, job.study)
        request = StudyRequest(study=job.study, objective=job.objective)
        plan = resolve_stored(record, request, job.settings, checked=job.checked)
        make_importable(plan.found)
        name = workers.new_worker_id(job.name)
        job = job.with_devices(plan.found.objective.devices)
        torch.set_num_threads(job.threads)
        context = prepare_context(job, start_process, database, record, plan, name)
        context.heartbeat.note_epoch = note_epoch
        worker = Worker(context, record, plan, name, job.settings.lease_seconds, job.served)
        worker.run()
        return Exit.DONE if job.served is None else worker.choose_exit()


class Worker:
    """Claims trials of a study and trains them one after another."""

    def __init__(
        self,
        context: WorkerContext,
        record: StudyRecord,
        plan: ResolvedStudy,
        worker: str,
        lease_seconds: float,
        served: Served | None = None,
    ) -> None:
        """Prepare to work; `served` is for a worker that serves every study."""
        self._served = served
        self._lease_seconds = lease_seconds
        self._trained = self._drained = False
        self._context = context
        self._record = record
        self._name = worker
        self._copy = MappedCopy(plan.prepared)
        self._study = with_retries(_load_study, context.database, record, plan)
        self._claims = TrialClaimer(
            context.database,
            self._study,
            context.fence,
            worker=worker,
            lease_seconds=lease_seconds,
            shared=context.shared,
        )

    def run(self) -> None:
        """Work until there is nothing to do; the trial that is held then, if any, is released."""
        with_retries(self._context.heartbeat.beat)
        self._context.heartbeat.start()
        with_retries(self._context.checkpoint_manager.sweep)
        with_retries(self._study.get_trials, deepcopy=False)
        gc.freeze()  # what is known by now stays: the collection before each training need not visit it
        try:
            while not (self._orders.ends or self._orders.leaves):
                if self._orders.pauses and self._served is None:
                    time.sleep(IDLE_SECONDS)
                    continue
                self._copy.check()
                claimed = with_retries(self._claims.claim)
                if claimed is not None:
                    with signals.defer_signals():
                        self._train(claimed)
                    self._trained = True
                    if self._served is not None and with_retries(self._has_other_turn, self._served):
                        return
                elif self._served is not None or with_retries(self._is_done):
                    return
                else:
                    # Every slot is claimed: wait until one is given back, or until the last trials end.
                    time.sleep(IDLE_SECONDS)
        finally:
            self._leave()

    def choose_exit(self) -> int:
        """Return how a worker that serves every study has ended."""
        if self._drained:  # even if it was asked in the moment in which it ended
            return DRAINED
        return Exit.DONE if self._trained else NOTHING_CLAIMED

    def _has_other_turn(self, served: Served) -> bool:
        """Return whether another study gets this worker now, by its priority or for its turn."""
        found = queue.list_open(self._context.database.engine, self._lease_seconds)
        chosen = choose_study(served.select(found))
        return chosen is None or chosen.study_id != self._record.study_id

    @property
    def _orders(self) -> Orders:
        return self._context.heartbeat.orders

    def _train(self, claimed: ClaimedTrial) -> None:
        number = claimed.trial.number
        self._context.heartbeat.begin_trial(number)
        try:
            state = TrialRun(self._context, self._study, claimed).run()
        except (LeaseLost, UpdateFinishedTrialError) as error:
            # Another worker has it, or somebody cancelled or voided it.
            _log.warning("trial %d is no longer this worker's: %s", number, error)
            self._context.fence.lease = None
            return
        except DataError as error:
            with_retries(self._give_up, str(error))
        finally:
            self._context.heartbeat.end_trial()
        if state is None:
            with_retries(self._claims.release)
            return
        self._context.checkpoint_manager.tidy()
        if state == TrialState.FAIL:
            with_retries(self._stop_after_bugs)

    def _stop_after_bugs(self) -> None:
        """Stop the study if several trials have failed in the same way as the last one."""
        bug = find_repeated_bug(self._study.get_trials(deepcopy=False, states=(TrialState.FAIL,)))
        if bug is not None:
            last = bug.user_attrs.get("error", "an unknown error")
            shown = format_command("status", "--study", self._record.name, "--json")
            self._give_up(
                f"{BUGS_THAT_STOP} trials failed in the same way ({last}); fix the objective, see the "
                f"traceback with `{shown}`, then start a new study"
            )

    def _give_up(self, reason: str) -> None:
        """Stop the study for every worker and raise the reason."""
        self._claims.release()
        studies.set_control(self._context.database.engine, self._record.study_id, "failed", reason)
        raise SearchError(reason)

    def _is_done(self) -> bool:
        record = studies.get(self._context.database.engine, self._record.name)
        return measure_budget(record, self._study.get_trials(deepcopy=False)).left == 0

    def _leave(self) -> None:
        self._context.pending.close()
        self._context.heartbeat.stop()
        try:
            self._claims.release()
            self._drained = workers.leave(self._context.database.engine, self._name)
        except Exception as error:
            # The storage is unreachable: the lease expires by itself.
            _log.warning("the worker could not sign off: %s", type(error).__name__)


def _load_study(database: Database, record: StudyRecord, plan: ResolvedStudy) -> optuna.Study:
    """Return Optuna's study with the sampler and pruner that the study was created with."""
    setting = prior_studies.build_setting(database.engine, plan, record.trials)
    sampler, pruner = policy.build_strategies(plan.spec.sampler, plan.spec.pruner, setting, plan.spec.audit)
    return optuna.load_study(study_name=record.name, storage=database.history, sampler=sampler, pruner=pruner)
