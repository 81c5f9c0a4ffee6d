"""MLflow: a parent run for the study, and a run nested in it for each trial."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType

from search.export.trackers.names import (
    PROJECT,
    clean_metrics,
    clean_params,
    clean_text,
    describe_end,
    describe_result,
    name_trial,
)
from search.export.trackers.tracker import ALL_EPOCHS, TrackedStudy
from search.study.trials import Trial
from spaces import Scalar

STUDY, TRIAL = "depthsearch.study", "depthsearch.trial"
PARENT = "mlflow.parentRunId"
OPEN = ("RUNNING", "SCHEDULED")
STATUSES = {"complete": "FINISHED", "pruned": "KILLED", "fail": "FAILED"}
"""As MLflow's own storage for Optuna has it."""
RUNS_AT_ONCE = 1000
PARAMS_AT_ONCE = 100


def build(folder: Path) -> MLflow:
    """Build the tracker; the tracking server tells all that it must know at the next run."""
    return MLflow(MlflowClient())


class MLflow:
    """Logs to the experiment that MLFLOW_EXPERIMENT_NAME or MLFLOW_EXPERIMENT_ID names; its runs have the study's UUID.

    Steps are epochs, counted from 0.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._experiment = ""
        self._parent = ""
        self._uuid = ""
        self._runs: dict[int, Any] = {}

    def study_started(self, study: TrackedStudy) -> Mapping[int, int]:
        """Find the runs of the study in the experiment, or begin its parent run."""
        self._experiment = self._find_experiment()
        self._uuid = study.uuid
        parent, self._runs = None, {}
        for run in self._find_runs():
            if TRIAL in run.data.tags:
                self._runs[int(run.data.tags[TRIAL])] = run
            else:
                parent = run
        if parent is None:
            parent = self._create(study.name, {}, study.settings)
        self._parent = parent.info.run_id
        self._client.update_run(self._parent, status="RUNNING")
        return {number: self._count_epochs(run) for number, run in self._runs.items()}

    def trial_started(self, trial: Trial) -> None:
        """Begin the trial's run, or resume it."""
        run = self._runs.get(trial.number)
        if run is None:
            tags = {TRIAL: str(trial.number), PARENT: self._parent}
            self._runs[trial.number] = self._create(name_trial(trial), tags, trial.params)
        elif run.info.status in OPEN and len(run.data.params) < len(trial.params):  # what began it was killed
            self._log_params(run.info.run_id, trial.params)

    def epoch(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log an epoch's metrics in one request."""
        moment = int(time.time() * 1000)
        values = [Metric(key, value, moment, epoch) for key, value in clean_metrics(metrics).items()]
        self._client.log_batch(self._runs[trial.number].info.run_id, metrics=values)

    def trial_ended(self, trial: Trial) -> None:
        """End the trial's run: FINISHED, KILLED if it was pruned, FAILED; its tags say why."""
        run = self._runs[trial.number]
        if run.info.status not in OPEN:
            return
        self._client.log_batch(run.info.run_id, tags=_make_tags(describe_end(trial)))
        ended = None if trial.ended is None else int(trial.ended.timestamp() * 1000)
        self._client.set_terminated(run.info.run_id, status=STATUSES[trial.state], end_time=ended)

    def study_ended(self, study: TrackedStudy) -> None:
        """End the parent run: FINISHED, FAILED, or KILLED if it was interrupted or stopped."""
        found = describe_result(study)
        self._client.log_batch(self._parent, tags=_make_tags(found))
        best = study.status.best
        if best is not None and study.status.states.finished not in self._read_steps(self._parent, "best_accuracy"):
            self._client.log_metric(self._parent, "best_accuracy", best.value, step=study.status.states.finished)
        status = {"failed": "FAILED", "interrupted": "KILLED", "stopped": "KILLED"}.get(study.outcome or "", "FINISHED")
        self._client.set_terminated(self._parent, status=status)

    def _find_experiment(self) -> str:
        if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return given
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
        found = self._client.get_experiment_by_name(name)
        return found.experiment_id if found is not None else str(self._client.create_experiment(name))

    def _find_runs(self) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                f"tags.`{STUDY}` = '{self._uuid}'",
                ViewType.ACTIVE_ONLY,
                RUNS_AT_ONCE,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _create(self, name: str, tags: Mapping[str, str], params: Mapping[str, Scalar]) -> Any:
        shown = clean_text(name)
        run = self._client.create_run(self._experiment, tags={STUDY: self._uuid, **tags}, run_name=shown)
        self._log_params(run.info.run_id, params)
        return run

    def _log_params(self, run: str, params: Mapping[str, Scalar]) -> None:
        values = [Param(key, clean_text(value)) for key, value in clean_params(params).items()]
        for start in range(0, len(values), PARAMS_AT_ONCE):
            self._client.log_batch(run, params=values[start : start + PARAMS_AT_ONCE])

    def _count_epochs(self, run: Any) -> int:
        """Return the first epoch that a trial's run lacks."""
        if run.info.status not in OPEN:
            return ALL_EPOCHS
        if "accuracy" not in run.data.metrics:
            return 0
        return max(self._read_steps(run.info.run_id, "accuracy")) + 1

    def _read_steps(self, run: str, metric: str) -> set[int]:
        return {int(each.step) for each in self._client.get_metric_history(run, metric)}


def _make_tags(values: Mapping[str, Scalar]) -> list[RunTag]:
    return [RunTag(key, clean_text(value)) for key, value in values.items()]
