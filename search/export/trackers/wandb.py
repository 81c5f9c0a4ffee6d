"""W&B: a run for the study and one for each trial, in one group of a project."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from search.export.trackers.names import (
    PROJECT,
    clean_key,
    clean_metrics,
    clean_params,
    clean_text,
    describe_end,
    describe_result,
    name_trial,
)
from search.export.trackers.outcome import Outcome
from search.export.trackers.record import SentRecord
from search.export.trackers.tracker import ALL_EPOCHS, TrackedStudy
from search.study.trials import Trial
from spaces import Scalar

LONGEST_NAME = 120


def build(folder: Path) -> WandB:
    """Build the tracker, which keeps in `folder` what W&B has got."""
    return WandB(folder)


class WandB:
    """Logs to the project that WANDB_PROJECT names; a run's id has the study's UUID and the trial's number.

    Steps are epochs, counted from 0. Without a connection (WANDB_MODE=offline) a trial that was resumed has several
    folders of one run, which `wandb sync` joins.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record: SentRecord | None = None
        self._study: Any = None
        self._uuid = self._group = ""
        self._runs: dict[int, Any] = {}

    def study_started(self, study: TrackedStudy) -> Mapping[int, int]:
        """Begin or resume the study's run."""
        self._uuid = study.uuid
        self._group = f"{clean_key(study.name, limit=LONGEST_NAME - 20)}-{study.uuid[:8]}"
        self._record = SentRecord(self._folder, "wandb", study.uuid)
        self._study = self._open("study", study.name, "study", clean_params(study.settings))
        return self._record.list_ended()

    def trial_started(self, trial: Trial) -> None:
        """Begin or resume the trial's run, unless W&B has all of it."""
        if self._record is not None and not self._record.has_ended(trial.number):
            config = {**clean_params(trial.params), "trial": trial.number, "seed": trial.seed}
            self._runs[trial.number] = self._open(f"{trial.number:04d}", name_trial(trial), "trial", config)

    def epoch(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log an epoch's metrics; an epoch that W&B has already is left out."""
        run, record = self._runs[trial.number], self._record
        assert record is not None
        if epoch >= max(run.step, record.epochs.get(trial.number, 0)):
            run.log(clean_metrics(metrics), step=epoch, commit=True)
            record.write(trial.number, epoch + 1)

    def trial_ended(self, trial: Trial) -> None:
        """End the trial's run; its summary says how."""
        if trial.number in self._runs:
            run = self._runs.pop(trial.number)
            run.summary.update(describe_end(trial))
            run.finish(exit_code=1 if trial.state == "fail" else 0)
            if self._record is not None:
                self._record.write(trial.number, ALL_EPOCHS)

    def study_ended(self, study: TrackedStudy) -> None:
        """End the study's run, and those of trials that have not ended, which are marked as preempted."""
        for run in self._runs.values():
            _end_early(run)
        self._study.summary.update(describe_result(study))
        early: tuple[Outcome, ...] = ("interrupted", "stopped")
        if study.outcome in early:
            _end_early(self._study)
        else:
            self._study.finish(exit_code=1 if study.outcome == "failed" else 0)

    def _open(self, ending: str, name: str, kind: str, config: Mapping[str, Scalar]) -> Any:
        return wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            id=f"{self._uuid.replace('-', '')}-{ending}",
            name=clean_text(name)[:LONGEST_NAME],
            group=self._group,
            job_type=kind,
            config=dict(config),
            resume="allow",
            reinit="create_new",
            # Nothing of this machine: a repository's address or a command line may hold what is secret.
            settings=wandb.Settings(**{name: value for name, value in _QUIET.items() if name in _KNOWN}),
        )


_QUIET: dict[str, Any] = {
    "console": "off",
    "disable_git": True,
    "disable_code": True,
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_save_requirements": False,
}
_KNOWN = wandb.Settings.model_fields  # those that begin with x_ come and go


def _end_early(run: Any) -> None:
    run.mark_preempting()
    run.finish(exit_code=1)
