"""What a worker stores about a trial beside its epochs: attributes for programs and people, and how it ended.

A trial's user attributes: `seed`, `hardware` (the device's model) and `threads` say how it was trained; `step`, on a
GPU, whether a CUDA graph held a whole step; `continued`, where interrupted training resumed, the last few times;
`reason`, why it did not complete; `error`, in a sentence, what went wrong; `peak_bytes`, the memory that was allocated
when it ran out; `traceback` and `kind` describe a bug in the objective. Attributes are read by every sampler of every
worker while a trial runs: they stay small.
"""

from __future__ import annotations

import traceback

import optuna
from optuna.trial import TrialState

from storage.connecting.retry import with_retries
from storage.leasing.fencing import LeaseFence
from storage.optuna_adapter import read_trial

LONGEST_TEXT_CHARACTERS = 2000
LONGEST_SENTENCE_CHARACTERS = 300
RESUMES_KEPT = 5
CONSTRAINT = "feasible"
"""Optuna's constraint of a trial whose configuration cannot be trained; samplers avoid configurations like it."""


class TrialRecord:
    """Writes about one trial. Every write is repeated while the storage is unreachable."""

    def __init__(self, study: optuna.Study, trial: optuna.Trial, fence: LeaseFence) -> None:
        self._study = study
        self._trial = trial
        self._fence = fence

    def describe(self, *, seed: int, hardware: str, threads: int) -> None:
        """Store how the trial is trained; `hardware` and `threads` are those of its last holder."""
        stored = with_retries(read_trial, self._trial).user_attrs
        for name, value in {"seed": stored.get("seed", seed), "hardware": hardware, "threads": threads}.items():
            if stored.get(name) != value:
                self._set(name, value)

    def note_resumed(self, place: str) -> None:
        """Store where the training resumed, beside the last few such places."""
        before = with_retries(read_trial, self._trial).user_attrs.get("continued", [])
        self._set("continued", [*before, place[:LONGEST_SENTENCE_CHARACTERS]][-RESUMES_KEPT:])

    def note_engine(self, description: str) -> None:
        """Store how the last holder's training steps ran on a GPU."""
        if with_retries(read_trial, self._trial).user_attrs.get("step") != description:
            self._set("step", description[:LONGEST_SENTENCE_CHARACTERS])

    def complete(self, value: float) -> TrialState:
        """End the trial as COMPLETE with its value."""
        return self._end(TrialState.COMPLETE, value)

    def prune(self, reason: str) -> TrialState:
        """End the trial as PRUNED."""
        self._set("reason", reason)
        return self._end(TrialState.PRUNED)

    def prune_as_infeasible(self, reason: str, error: str, *, peak_bytes: int = 0) -> TrialState:
        """End the trial as PRUNED, because its configuration cannot be trained."""
        self._set("error", error[:LONGEST_TEXT_CHARACTERS])
        if peak_bytes:
            self._set("peak_bytes", peak_bytes)
        with_retries(self._set_constraint)
        return self.prune(reason)

    def fail(self, error: Exception) -> TrialState:
        """End the trial as FAIL, because of a bug in the objective."""
        frames = traceback.extract_tb(error.__traceback__)
        where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        self._set("kind", type(error).__name__ + where)
        self._set("error", f"{type(error).__name__}: {error}"[:LONGEST_SENTENCE_CHARACTERS])
        self._set("traceback", "".join(traceback.format_exception(error))[-LONGEST_TEXT_CHARACTERS:])
        self._set("reason", "error")
        return self._end(TrialState.FAIL)

    def _set(self, name: str, value: object) -> None:
        with_retries(self._trial.set_user_attr, name, value)

    def _set_constraint(self) -> None:
        if CONSTRAINT not in read_trial(self._trial).constraints:
            self._trial.set_constraint(CONSTRAINT, 1.0)

    def _end(self, state: TrialState, value: float | None = None) -> TrialState:
        with_retries(self._study.tell, self._trial, value, state=state, skip_if_finished=True)
        self._fence.lease = None  # even if the answer to a first, successful call was lost
        return state
