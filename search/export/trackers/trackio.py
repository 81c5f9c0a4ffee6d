"""Trackio: a run for the study and one for each trial, in one group of a project."""

from __future__ import annotations

import contextvars
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trackio

from search.export.trackers.names import (
    PROJECT,
    clean_key,
    clean_metrics,
    clean_params,
    describe_end,
    describe_result,
    name_trial,
)
from search.export.trackers.record import SentRecord
from search.export.trackers.tracker import ALL_EPOCHS, TrackedStudy
from search.study.trials import Trial
from spaces import Scalar

LONGEST_NAME = 100


def build(folder: Path) -> Trackio:
    """Build the tracker, which keeps in `folder` what Trackio has got."""
    return Trackio(folder)


class Trackio:
    """Logs to the project that TRACKIO_PROJECT names; a run's name has the study's and the first digits of its UUID.

    Steps are epochs, counted from 0. How a trial ended is a row of its own after that of its last epoch.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record: SentRecord | None = None
        self._group = ""
        self._study: Any = None
        self._runs: dict[int, Any] = {}
        self._next: dict[int, int] = {}  # the first step that a run lacked when it was resumed

    def study_started(self, study: TrackedStudy) -> Mapping[int, int]:
        """Begin or resume the study's run."""
        self._group = f"{clean_key(study.name, limit=LONGEST_NAME)}-{study.uuid[:8]}"
        self._record = SentRecord(self._folder, "trackio", study.uuid)
        self._study = self._open(self._group, clean_params(study.settings))
        return self._record.list_ended()

    def trial_started(self, trial: Trial) -> None:
        """Begin or resume the trial's run, unless Trackio has all of it."""
        if self._record is not None and not self._record.has_ended(trial.number):
            config = {**clean_params(trial.params), "trial": trial.number, "seed": trial.seed}
            run = self._open(f"{self._group}-{name_trial(trial)}", config)
            # What it holds itself: rows that it was given may have been lost with a killed process.
            self._next[trial.number] = getattr(run, "_next_step", self._record.epochs.get(trial.number, 0))
            self._runs[trial.number] = run

    def epoch(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log an epoch's metrics; an epoch that Trackio has already is left out."""
        if epoch >= self._next[trial.number]:
            self._runs[trial.number].log(clean_metrics(metrics), step=epoch)
        self._keep(trial, epoch + 1)

    def trial_ended(self, trial: Trial) -> None:
        """End the trial's run; its last row says how."""
        if trial.number in self._runs:
            run = self._runs.pop(trial.number)
            if len(trial.accuracies) >= self._next[trial.number]:
                end = {f"end_{key}": value for key, value in describe_end(trial).items()}
                run.log(end, step=len(trial.accuracies))
            run.finish()
            self._keep(trial, ALL_EPOCHS)

    def study_ended(self, study: TrackedStudy) -> None:
        """End all runs; the last row of the study's run says how."""
        for run in self._runs.values():
            run.finish()
        self._study.log(describe_result(study), step=study.status.states.finished)
        self._study.finish()

    def _open(self, name: str, config: Mapping[str, Scalar]) -> Any:
        project = os.environ.get("TRACKIO_PROJECT") or PROJECT
        # In a context of its own: trackio ends the run that it finds in the present one.
        return contextvars.Context().run(
            lambda: trackio.init(
                project=project,
                name=name,
                group=self._group,
                config=dict(config),
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        )

    def _keep(self, trial: Trial, epochs: int) -> None:
        if self._record is not None:
            self._record.write(trial.number, epochs)
