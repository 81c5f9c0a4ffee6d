"""What a worker stores about a trial beside its epochs: attributes for programs and people, and how it ended.

A trial's user attributes: `seed`, `hardware` (the device's model), `threads` and `torch` (the version) say how it was
trained; `devices`, on how many if on several; `machines`, if another kind of machine resumed it, which kind reported
which epochs; `step`, on a GPU, whether a CUDA graph held a whole step; `configuration`, `repeat` and `repeats`, where
trials share a configuration, which one and which of how many; `continued`, where interrupted training resumed, the last
few times; `reason`, why it did not complete; `error`, in a sentence, what went wrong; `traceback` and `kind` describe a
bug in the objective; `diagnosis`, what was wrong inside a network that did not learn. For people who look for trials,
its end stores `host` and `device` of its last holder, and `gpu`, the GPU's UUID, `epoch_seconds` (mean), `parameters`
(their number), `peak_bytes` (memory of a GPU, or what was allocated when it ran out), `best_epoch` (counted from 0) and
`energy_wh`, what all holders took of their GPUs' energy; `interrupted_wh` is the part of those that ended no epoch.
Attributes are read by every sampler of every worker while a trial runs: they stay small.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

from objectives.base.device import describe_device
from objectives.diagnosis.faults import Fault
from search.errors.bugs import LONGEST_SENTENCE_CHARACTERS, LONGEST_TEXT_CHARACTERS, describe_bug
from search.study.trials import MachinePart
from search.workers.ranks.messages import RankBug
from storage.connecting.retry import with_retries
from storage.history.confusions import Confusion
from storage.history.storage import HistoryStorage
from storage.leasing.fencing import LeaseFence
from storage.leasing.leases import Lease
from storage.leasing.repeats import describe_repeat
from storage.leasing.withdrawal import is_withdrawn
from storage.optuna_adapter import get_stored, read_trial

RESUMES_KEPT = 5
MACHINES_KEPT = 5
BUGS_THAT_STOP = 3
"""Failures of one kind that stop a study."""
INTERRUPTED = "interrupted_wh"
CONSTRAINT = "feasible"
"""Optuna's constraint of a trial whose configuration cannot be trained; samplers avoid configurations like it."""

_OTHER_MACHINE = "trial %d is resumed %s, another kind of machine: from there its curve is not bit for bit the same"

_log = logging.getLogger(__name__)


class TrialRecord:
    """Writes about one trial. Every write is repeated while the storage is unreachable.

    restore_lost: makes sure, before the trial ends, that every epoch is stored. diagnose: returns what was wrong inside
    its network, given whether training diverged. measure: returns the attributes for people who look for trials.
    find_confusion: returns the confusion matrix of the trial's value, if it is known.
    """

    def __init__(
        self,
        history: HistoryStorage,
        study: optuna.Study,
        trial: optuna.Trial,
        lease: Lease,
        fence: LeaseFence,
        restore_lost: Callable[[], None],
        diagnose: Callable[[bool], Sequence[Fault]],
        measure: Callable[[], Mapping[str, object]],
        find_confusion: Callable[[], Confusion | None],
    ) -> None:
        self._history = history
        self._study = study
        self._trial = trial
        self._lease = lease
        self._fence = fence
        self._restore_lost = restore_lost
        self._diagnose = diagnose
        self._measure = measure
        self._find_confusion = find_confusion

    def describe(self, seed: int, device: torch.device, devices: int = 1) -> None:
        """Set how the trial is trained: its seed, the kind of machine of its last holder, and a change of that kind."""
        known, machine = get_stored(self._trial), describe_machine(device)
        told: dict[str, object] = {"seed": known.user_attrs.get("seed", seed), **machine}
        if devices > 1:
            told["devices"] = devices
        if values := known.intermediate_values:
            threads = machine["threads"] if device.type == "cpu" else None  # for a GPU's numbers, they do not matter
            now = MachinePart(**{**machine, "epoch": max(values) + 1, "threads": threads})
            if parts := note_machine(known.user_attrs, now):
                told["machines"] = [asdict(part) for part in parts]
            if told.get("machines") != known.user_attrs.get("machines"):
                _log.warning(_OTHER_MACHINE, self._trial.number, now)
        for name, value in told.items():
            if known.user_attrs.get(name) != value:
                self._trial.set_user_attr(name, value)

    def describe_repeat(self, repeats: int) -> None:
        """Set which repeat of which configuration the trial is: the first of its own, unless that is stored.

        repeats: of each configuration.
        """
        for name, value in describe_repeat(self._trial.number, 0, repeats).items():
            if name not in get_stored(self._trial).user_attrs:
                self._trial.set_user_attr(name, value)

    def note_resumed(self, place: str) -> None:
        """Store where the training resumed, beside the last few such places."""
        before = with_retries(read_trial, self._trial).user_attrs.get("continued", [])
        places = [*before, place[:LONGEST_SENTENCE_CHARACTERS]][-RESUMES_KEPT:]
        with_retries(self._trial.set_user_attr, "continued", places)

    def note_interrupted(self, watt_hours: float | None) -> None:
        """Store the energy that this holder took after its last epoch, beside that of holders before it."""
        if watt_hours:
            before = with_retries(read_trial, self._trial).user_attrs.get(INTERRUPTED, 0.0)
            with_retries(self._trial.set_user_attr, INTERRUPTED, before + watt_hours)

    def note_engine(self, description: str) -> None:
        """Store how the last holder's training steps ran on a GPU."""
        if with_retries(read_trial, self._trial).user_attrs.get("step") != description:
            with_retries(self._trial.set_user_attr, "step", description[:LONGEST_SENTENCE_CHARACTERS])

    def complete(self, value: float) -> TrialState:
        """End the trial as COMPLETE with its value."""
        return self._end(TrialState.COMPLETE, {}, value)

    def prune(self, reason: str) -> TrialState:
        """End the trial as PRUNED."""
        return self._end(TrialState.PRUNED, {"reason": reason})

    def prune_as_infeasible(self, reason: str, error: str, *, peak_bytes: int = 0) -> TrialState:
        """End the trial as PRUNED, because its configuration cannot be trained."""
        told: dict[str, object] = {"error": error[:LONGEST_TEXT_CHARACTERS]}
        if peak_bytes:
            told["peak_bytes"] = peak_bytes
        return self._end(TrialState.PRUNED, {**told, "reason": reason}, infeasible=True)

    def fail(self, error: Exception) -> TrialState:
        """End the trial as FAIL, because of a bug in the objective."""
        bug = error.bug if isinstance(error, RankBug) else describe_bug(error)
        return self._end(TrialState.FAIL, {**bug, "reason": "error"})

    def _end(
        self, state: TrialState, told: Mapping[str, object], value: float | None = None, *, infeasible: bool = False
    ) -> TrialState:
        told = {**with_retries(self._measure), **told}
        if faults := with_retries(self._diagnose, told.get("reason") == "diverged"):
            told = {**told, "diagnosis": [asdict(fault) for fault in faults]}
        with_retries(self._store_end, state, told, value, infeasible)
        self._fence.lease = None  # even if the answer to a first, successful call was lost
        return state

    def _store_end(self, state: TrialState, told: Mapping[str, object], value: float | None, infeasible: bool) -> None:
        """Store the state, and what is told about it, in one commit."""
        known, confusion = get_stored(self._trial), None if state == TrialState.FAIL else self._find_confusion()
        with self._history.ending(self._lease, known, self._restore_lost, confusion):
            for name, word in told.items():
                self._trial.set_user_attr(name, word)
            if infeasible and CONSTRAINT not in known.constraints:
                self._trial.set_constraint(CONSTRAINT, 1.0)
            self._study.tell(self._trial, value, state=state, skip_if_finished=True)


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return what a curve depends on beside the trial's seed: the device's model, the threads, torch's version."""
    return {"hardware": describe_device(device), "threads": torch.get_num_threads(), "torch": str(torch.__version__)}


def note_machine(stored: Mapping[str, Any], now: MachinePart) -> tuple[MachinePart, ...]:
    """Return which kinds of machines trained a trial, whose next epoch is that of `now`; empty if it is one kind.

    A kind that reported no epoch is left out; of many changes, the first and the last ones stay.

    stored: the trial's attributes, of its last holder.
    """
    first = MachinePart(epoch=0, **{name: stored.get(name) for name in ("hardware", "threads", "torch")})
    before = [MachinePart(**part) for part in stored.get("machines", ())] or [first]
    parts = [part for part in before if part.epoch < now.epoch]
    if not _is_same_kind(parts[-1], now):
        parts.append(now)
    return (parts[0], *parts[1:][-MACHINES_KEPT:]) if len(parts) > 1 or "machines" in stored else ()


def _is_same_kind(one: MachinePart, other: MachinePart) -> bool:
    """Return whether nothing is known to differ: neither the version of an old program, nor the threads of a GPU."""
    pairs = ((one.hardware, other.hardware), (one.threads, other.threads), (one.torch, other.torch))
    return all(here == there for here, there in pairs if None not in (here, there))


def find_repeated_bug(failed: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the last trial that failed if it is one of BUGS_THAT_STOP of the same kind; those taken out are none."""
    bugs = [trial for trial in failed if not is_withdrawn(trial)]
    kinds = [trial.user_attrs.get("kind") for trial in bugs]
    return bugs[-1] if kinds and kinds.count(kinds[-1]) >= BUGS_THAT_STOP else None
