"""One trial: its configuration, its training, its reports, and how it ends."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from objectives.base.device import describe_device, is_broken
from objectives.base.errors import Diverged, OutOfMemory, StopTraining
from objectives.base.seeds import derive_seed
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.data.batches.examples import TrainValidation
from objectives.data.files.errors import DataError
from objectives.reuse.trained_network import TrainedNetwork
from search import signals
from search.strategies.pruners.wrappers import best_value
from search.study.status import find_best_epoch, rank_completed
from search.workers.checkpointing import CheckpointCallback, CheckpointManager
from search.workers.heartbeat import Heartbeat
from spaces import Configuration
from storage.database import Database
from storage.errors import LeaseLost
from storage.leasing.fencing import LeaseFence
from storage.retry import is_outage, with_retries

# Attributes are read by every sampler call of every worker while a trial runs: they stay small.
LONGEST_ATTRIBUTE = 2000
NOTES = 5
# A trial that hung with so many workers hangs by its own fault.
HANGS_THAT_FAIL = 3


class Pruned(Exception):
    """The pruner stopped the trial; raised out of the objective's report."""


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """What every trial of a worker shares."""

    database: Database
    fence: LeaseFence
    heartbeat: Heartbeat
    checkpoint_manager: CheckpointManager
    objective: Objective
    data: TrainValidation
    sources: Mapping[str, TrainedNetwork]
    epochs: int
    seed: int


class TrialRun:
    """Trains one trial and writes down what happens; it may have been begun by another worker."""

    def __init__(self, context: WorkerContext, study: optuna.Study, trial: optuna.Trial) -> None:
        self.context = context
        self.study = study
        self.trial = trial
        stored = with_retries(trial.storage.get_trial, trial._trial_id)
        self.values = dict(stored.intermediate_values)

    def run(self) -> TrialState | None:
        """Train to an end and tell Optuna which; None where the trial is left RUNNING for the next holder.

        Raises:
            LeaseLost, UpdateFinishedTrialError: the trial is no longer this worker's.
            DataError: the data are gone or were tampered with; no trial can go on.
        """
        context, lease = self.context, self.context.fence.lease
        assert lease is not None
        seed = derive_seed(context.seed, self.trial.number)
        with_retries(self._describe, seed)
        if lease.hangs >= HANGS_THAT_FAIL:
            return self._fail(TimeoutError(f"the training hung {lease.hangs} times without a batch"))
        try:
            config = with_retries(self._sample)
            network = train(
                context.objective,
                config,
                context.data,
                self.report,
                epochs=context.epochs,
                seed=seed,
                sources=context.sources,
                callback=CheckpointCallback(
                    context.checkpoint_manager, context.heartbeat, self.trial.number, lease, self._note
                ),
            )
        except Pruned:
            return self._end(TrialState.PRUNED, "pruner")
        except StopTraining:
            return None
        except Diverged as error:
            return self._violate("diverged", str(error))
        except OutOfMemory as error:
            return self._violate("out of memory", str(error), peak_bytes=error.peak_bytes)
        except (LeaseLost, UpdateFinishedTrialError, DataError):
            raise
        except Exception as error:
            if is_outage(error) or is_broken(error):
                raise  # neither the objective's fault nor the configuration's: the trial is taken over
            return self._fail(error)
        if not self.values:
            return self._fail(RuntimeError("the objective's training ended without a report"))
        state = self._end(TrialState.COMPLETE, None)
        if self._is_among_best():
            context.checkpoint_manager.keep_network(lease, self.trial.number, max(self.values) + 1, network)
        return state

    def report(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """What the training loop calls after every epoch; an epoch that is stored already is passed over.

        Raises:
            Pruned, Diverged, LeaseLost: what ends the training, or this worker's part in it.
            Leave: this process was asked to end, or the study to stop.
            ValueError: what was reported breaks a rule.
        """
        with self.context.heartbeat.unhurried():
            self._report(epoch, metrics)
        if signals.end_requested() or self.context.heartbeat.ended:
            raise StopTraining

    def _report(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.context.heartbeat.check()
        accuracy = metrics.get("accuracy")
        if accuracy is None or isinstance(accuracy, bool):
            raise ValueError(f"report needs an 'accuracy', but got {', '.join(metrics) or 'nothing'}")
        if not 0 <= epoch < self.context.epochs:
            raise ValueError(f"report's epoch must be from 0 to {self.context.epochs - 1}, but got {epoch}")
        if not math.isfinite(accuracy):
            raise Diverged(f"accuracy became {accuracy} in epoch {epoch}")
        if epoch in self.values and epoch < max(self.values):
            return
        self._keep(epoch, float(accuracy), metrics)
        if epoch + 1 < self.context.epochs and with_retries(self.trial.should_prune):
            raise Pruned

    def _keep(self, epoch: int, accuracy: float, metrics: Mapping[str, float]) -> None:
        if epoch in self.values:
            return  # the last epoch that another worker reported: only the pruner's answer may be missing
        numbers = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        with_retries(self.context.heartbeat.record, epoch, numbers)
        with_retries(self.trial.report, accuracy, epoch)
        self.values[epoch] = accuracy

    def _sample(self) -> Configuration:
        """Draw what is not stored yet and read back what is: after an outage that may be more than was heard."""
        self.trial = optuna.Trial(self.study, self.trial._trial_id)
        self.context.objective.space.sample(self.trial)
        return self.context.objective.space.replay(self.trial.storage.get_trial(self.trial._trial_id).params)

    def _note(self, text: str) -> None:
        """Say in the trial's attributes where its training went on from, the last few times."""
        stored = with_retries(self.trial.storage.get_trial, self.trial._trial_id).user_attrs
        with_retries(self.trial.set_user_attr, "continued", [*stored.get("continued", []), text[:300]][-NOTES:])

    def _is_among_best(self) -> bool:
        """Whether this trial, which has just completed, is one of those that keep their network."""
        trials = with_retries(self.study.get_trials, deepcopy=False)
        return self.trial.number in [
            trial.number for trial in rank_completed(trials)[: self.context.checkpoint_manager.best]
        ]

    def _describe(self, seed: int) -> None:
        stored = self.trial.storage.get_trial(self.trial._trial_id).user_attrs
        if "seed" not in stored:
            self.trial.set_user_attr("seed", seed)
        hardware = f"{describe_device(self.context.data.device)}, {torch.get_num_threads()} threads"
        if stored.get("hardware") != hardware:
            self.trial.set_user_attr("hardware", hardware)

    def _violate(self, reason: str, detail: str, *, peak_bytes: int = 0) -> TrialState:
        def write() -> None:
            self.trial.set_user_attr("detail", detail[:LONGEST_ATTRIBUTE])
            if peak_bytes:
                self.trial.set_user_attr("peak_bytes", peak_bytes)
            if not self._constrained():
                self.trial.set_constraint("feasible", 1.0)

        with_retries(write)
        return self._end(TrialState.PRUNED, reason)

    def _constrained(self) -> bool:
        attributes = self.trial.storage.get_trial(self.trial._trial_id).system_attrs
        return any(key.endswith(":feasible") for key in attributes)

    def _fail(self, error: Exception) -> TrialState:
        text = "".join(traceback.format_exception(error))
        frames = traceback.extract_tb(error.__traceback__)
        where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        with_retries(self.trial.set_user_attr, "kind", type(error).__name__ + where)
        with_retries(self.trial.set_user_attr, "error", f"{type(error).__name__}: {error}"[:300])
        with_retries(self.trial.set_user_attr, "traceback", text[-LONGEST_ATTRIBUTE:])
        return self._end(TrialState.FAIL, "error")

    def _end(self, state: TrialState, reason: str | None) -> TrialState:
        value = best_value(self.values) if state == TrialState.COMPLETE else None
        if reason is not None:
            with_retries(self.trial.set_user_attr, "reason", reason)
        if self.values:
            with_retries(self.trial.set_user_attr, "best_epoch", find_best_epoch(self.values))
            with_retries(self.trial.set_user_attr, "best_value", best_value(self.values))
        with_retries(self.study.tell, self.trial, value, state=state, skip_if_finished=True)
        self.context.fence.lease = None  # also where the answer to a first, successful tell was lost
        return state
