"""One trial: its configuration, its training, its reports, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from sqlalchemy import Row
from torch import nn

from objectives.base.device import is_broken
from objectives.base.errors import Diverged, OutOfMemory, StopTraining
from objectives.core.reports import read_metrics
from objectives.core.run import train
from objectives.data.files.errors import DataError
from objectives.diagnosis.faults import Fault, diagnose
from objectives.diagnosis.records import NetworkRecord, build_records
from objectives.models.weights import PackedNetwork
from search import signals
from search.statistics.curves import best_value
from search.strategies.repeated.configurations import derive_trial_seed, get_configuration
from search.study.status import rank_trials
from search.workers.attributes.trial_measures import TrialMeasures
from search.workers.attributes.trial_record import INTERRUPTED, TrialRecord
from search.workers.checkpointing import CheckpointCallback
from search.workers.claims import ClaimedTrial
from search.workers.context import WorkerContext
from search.workers.pending_report import Pruned
from search.workers.ranks.messages import RankLost, RankPlan, TrialTask
from search.workers.ranks.training import train_on_ranks
from spaces import Configuration
from storage.connecting.retry import is_outage, is_refusal, with_retries
from storage.connecting.statements import Question
from storage.errors import LeaseLost
from storage.leasing.repeats import STOPPED
from storage.optuna_adapter import attach_trial, get_stored, get_study_id, note_report, read_trial
from storage.records.epochs import read_curve, read_layers

HANGS_THAT_FAIL = 3
"""A trial that hung with this number of workers hangs because of the objective, not of a machine."""


class TrialRun:
    """Trains one trial, which another worker may have begun, and stores what happens."""

    def __init__(self, context: WorkerContext, study: optuna.Study, claimed: ClaimedTrial) -> None:
        self._context = context
        self._study = study
        self._trial = claimed.trial
        self._lease = claimed.lease
        self._seed = derive_trial_seed(context.seed, get_stored(claimed.trial), context.shared.repeats)
        self._begun, self._news = False, claimed.news
        self._values = dict(get_stored(claimed.trial).intermediate_values)
        self._trained: dict[int, Mapping[str, float]] = {}
        self._layers: dict[int, Mapping[str, Any]] = {}
        data, job = context.data, context.job
        self._measures = TrialMeasures(data.device, job.place, job.visible, data.classes, context.energy)
        asks = (self._restore_lost, self._diagnose, self._measure, partial(self._measures.find_confusion, self._values))
        self._record = TrialRecord(context.database.history, study, claimed.trial, claimed.lease, context.fence, *asks)

    def run(self) -> TrialState | None:
        """Train the trial to its end.

        Returns:
            How it ended; None if this worker stops and leaves it RUNNING for the next one.

        Raises:
            LeaseLost, UpdateFinishedTrialError: the trial is no longer this worker's.
            DataError: the data are missing or were tampered with; no trial can continue.
        """
        if self._lease.hangs >= HANGS_THAT_FAIL:
            return self._record.fail(TimeoutError(f"the training hung {self._lease.hangs} times without a batch"))
        try:
            network = self._train(with_retries(self._begin))
        except Pruned:
            return self._record.prune(self._explain_stop())
        except StopTraining:
            self._record.note_interrupted(self._measures.energy.rest_wh)
            return None
        except Diverged as error:
            return self._record.prune_as_infeasible("diverged", str(error))
        except OutOfMemory as error:
            return self._record.prune_as_infeasible("out of memory", str(error), peak_bytes=error.peak_bytes)
        except (LeaseLost, UpdateFinishedTrialError, DataError):
            raise
        except Exception as error:
            if is_outage(error) or is_refusal(error) or is_broken(error) or isinstance(error, RankLost):
                raise  # neither the objective's fault nor the configuration's: the trial is taken over
            return self._record.fail(error)
        return self._complete(network)

    def report(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Store an epoch and ask the pruner, while the next one trains; the training loop calls it after every epoch.

        An epoch that is stored already is ignored.

        Raises:
            Pruned, LeaseLost: what the last report came to; or this worker's part in the training ends.
            Diverged: the accuracy is not finite.
            StopTraining: this process was asked to end, the study to stop or pause, or the worker to leave.
            ValueError: the report breaks a rule.
        """
        self._context.pending.wait()
        self._report(epoch, metrics)
        if signals.end_requested() or self._context.heartbeat.interrupts:
            raise StopTraining

    def _train(self, config: Configuration) -> nn.Module | PackedNetwork:
        context = self._context
        callback = CheckpointCallback(
            context.checkpoint_manager,
            context.heartbeat,
            self._trial.number,
            self._lease,
            context.pending,
            self._restore_lost,
            self._record.note_resumed,
            self._record.note_engine,
            self._note_layers,
            self._measures.note_parameters,
            self._measures.note_confusion,
        )
        try:
            with context.energy.measuring():
                if context.ranks is not None:
                    return self._train_on_ranks(context.ranks, config, callback)
                return train(
                    context.objective,
                    config,
                    context.data,
                    self.report,
                    epochs=context.epochs,
                    seed=self._seed,
                    sources=context.sources,
                    callback=callback,
                    step_mode=context.step_mode,
                )
        finally:
            # However training ended: a trial that the pruner stopped after the last report was stopped then.
            context.pending.wait()

    def _train_on_ranks(self, plan: RankPlan, config: Configuration, callback: CheckpointCallback) -> PackedNetwork:
        context, own_loop = self._context, self._context.objective.train is not None
        task = TrialTask(
            config=config,
            epochs=context.epochs,
            seed=self._seed,
            sources=context.sources,
            step_mode=context.step_mode,
            state=None if own_loop else callback.load_state(),
            wants_layers=callback.wants_layers(),
            own_loop=own_loop,
        )
        network, peak_bytes = train_on_ranks(plan, task, context.start_process, self.report, callback)
        self._measures.note_peak(peak_bytes)
        return network

    def _begin(self) -> Configuration:
        """Draw the parameters that are not stored yet; store them, and how the trial is trained, in one commit."""
        if self._begun:  # after an outage, they may be stored without this process knowing
            self._trial, self._news = attach_trial(self._study, self._lease.trial_id), False
        self._begun = True
        space, job, history = self._context.objective.space, self._context.job, self._context.database.history
        with history.holding(get_study_id(self._study), news=not self._news), history.gathering(self._lease):
            self._record.describe(self._seed, torch.device(job.local_devices[0]), len(job.devices))
            if self._context.shared.are_shared:
                self._record.describe_repeat(self._context.shared.repeats)
            space.sample(self._trial)
        return space.replay(self._trial.params)

    def _report(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self._context.heartbeat.raise_if_lost()
        if not 0 <= epoch < self._context.epochs:
            raise ValueError(f"report's epoch must be from 0 to {self._context.epochs - 1}, but got {epoch}")
        read = read_metrics(epoch, metrics)
        if epoch in self._values and epoch < max(self._values):
            return
        self._trained[epoch] = self._measures.complete_epoch(read, is_new=epoch not in self._values)
        self._context.pending.submit(partial(with_retries, self._store, epoch))

    def _store(self, epoch: int) -> bool:
        """Store an epoch, learn of the other trials, and return whether the pruner stops this one."""
        # The last epoch that another worker stored is stored already: only the pruner's answer may be missing.
        ask = None if epoch in self._values else partial(self._store_epoch, epoch)
        with self._context.database.history.holding(get_study_id(self._study), ask):
            self._values.setdefault(epoch, self._trained[epoch]["accuracy"])
            note_report(self._trial, epoch, self._values[epoch])
            return epoch + 1 < self._context.epochs and self._trial.should_prune()

    def _store_epoch(self, epoch: int, question: Question) -> Row[Any]:
        """Commit Optuna's intermediate value, our metrics, the renewed lease and the worker's progress as one."""
        record = partial(self._context.heartbeat.record_epochs, self._lease)
        recorded = record({epoch: self._trained[epoch]}, self._layers, question)
        if recorded.before < sum(known < epoch for known in self._values):
            recorded = record(self._trained, self._layers, question)
        return recorded.answer

    def _restore_lost(self) -> None:
        """Store again what a server that broke down has lost of the last epochs, for whose commits nobody waited."""
        if not self._trained.keys() <= read_trial(self._trial).intermediate_values.keys():
            self._context.heartbeat.record_epochs(self._lease, self._trained, self._layers)

    def _note_layers(self, epoch: int, record: NetworkRecord) -> None:
        self._layers[epoch] = record.to_json()

    def _diagnose(self, diverged: bool) -> list[Fault]:
        """Return what was wrong inside the network, in the epochs of every worker that trained it."""
        metrics, layers, engine = self._trained, self._layers, self._context.database.engine
        if stored := self._stored:
            metrics, layers = {**stored, **metrics}, {**read_layers(engine, self._lease.trial_id), **layers}
        return diagnose(build_records(metrics, layers), diverged=diverged)

    def _measure(self) -> dict[str, object]:
        before = get_stored(self._trial).user_attrs.get(INTERRUPTED)
        return self._measures.collect(self._values, self._trained, self._stored, before)

    @cached_property
    def _stored(self) -> dict[int, dict[str, Any]]:
        """The metrics of the stored epochs, read at the trial's end, if another worker trained some of them."""
        engine, trained_all = self._context.database.engine, self._values.keys() <= self._trained.keys()
        return {} if trained_all else {row["epoch"]: row for row in read_curve(engine, self._lease.trial_id)}

    def _complete(self, network: nn.Module | PackedNetwork) -> TrialState:
        if not self._values:
            return self._record.fail(RuntimeError("the objective's training ended without a report"))
        self._measures.note_network(network)
        state = self._record.complete(best_value(self._values))
        if self._is_among_best():
            epochs = max(self._values) + 1
            self._context.checkpoint_manager.keep_network(self._lease, self._trial.number, epochs, network)
        return state

    def _explain_stop(self) -> str:
        """Return why the pruner stopped the trial: itself, or another repeat of its configuration before it."""
        if not self._context.shared.are_shared:
            return "pruner"
        stopped = with_retries(self._study.get_trials, deepcopy=False, states=(TrialState.PRUNED,))
        own = get_configuration(get_stored(self._trial))
        return STOPPED if any(get_configuration(trial) == own for trial in stopped) else "pruner"

    def _is_among_best(self) -> bool:
        """Return whether this trial, which has just completed, is one of those whose network is kept."""
        completed = with_retries(self._study.get_trials, deepcopy=False, states=(TrialState.COMPLETE,))
        kept = rank_trials(completed)[: self._context.checkpoint_manager.best]
        return self._trial.number in [trial.number for trial in kept]
