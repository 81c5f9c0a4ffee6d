"""What is known about a study at this moment, as plain data."""

from __future__ import annotations

from collections import Counter
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from search.curves import find_best_epoch
from search.strategies.pruners.audit import summarize_audit
from search.study.spec import StudySpec
from storage.database import Database
from storage.leasing import workers
from storage.records import ledger, studies

# A worker that was not heard of for so long is not shown.
SILENT_SECONDS = 120.0
STATES = ("complete", "pruned", "running", "waiting", "fail")


class StudyView:
    """Reads a study again and again; Optuna's cache makes every look after the first cheap."""

    def __init__(self, database: Database, name: str) -> None:
        """
        Raises:
            UnknownStudy: there is no such study.
        """
        self._database = database
        self._name = name
        self.record = studies.get(database.engine, name)
        self.spec = StudySpec.from_json(self.record.spec)
        self._study = optuna.load_study(study_name=name, storage=database.optuna)

    def trials(self) -> list[FrozenTrial]:
        """Every trial, in the order of their numbers."""
        return self._study.get_trials(deepcopy=False)

    def status(self) -> dict[str, Any]:
        """The document that `search status --json` prints."""
        self.record = studies.get(self._database.engine, self._name)
        trials = self.trials()
        return {
            "study": self.record.name,
            "objective": self.spec.objective,
            "direction": "maximize",
            "states": count_states(trials),
            "reasons": dict(Counter(t.user_attrs["reason"] for t in trials if "reason" in t.user_attrs)),
            "budget": {"trials": self.record.trials, "left": max(0, self.record.trials - count_finished(trials))},
            "epochs_trained": sum(len(trial.intermediate_values) for trial in trials),
            "best": describe_best(trials),
            "workers": self._workers(),
            "final": ledger.result(self._database.engine, self.record.uuid, self.spec.dataset),
            "control": self.record.control,
            "stop_reason": self.record.reason,
            "errors": recent_errors(trials),
            "pruning": summarize_audit(trials),
        }

    def _workers(self) -> list[dict[str, Any]]:
        found = workers.find_living(self._database.engine, self.record.study_id, SILENT_SECONDS)
        return [
            {
                "id": worker.id,
                "host": worker.host,
                "device": worker.device,
                "trial": worker.trial,
                "epoch": worker.epoch,
                "beat_s": worker.beat_s,
            }
            for worker in found
        ]


def count_states(trials: list[FrozenTrial]) -> dict[str, int]:
    """How many trials are in each of Optuna's states."""
    counted = Counter(trial.state.name.lower() for trial in trials)
    return {name: counted[name] for name in STATES}


def count_finished(trials: list[FrozenTrial]) -> int:
    """How many trials have spent a slot of the budget for good."""
    return sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)


def rank_completed(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """The completed trials, the highest value first, the earlier one of equals."""
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return sorted(completed, key=lambda trial: (-(trial.value or 0.0), trial.number))


def best_trial(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The first of the ranked; None without any."""
    return next(iter(rank_completed(trials)), None)


def best_epoch(trial: FrozenTrial) -> int | None:
    """The first 0-based epoch with the trial's best value; None for a trial without a curve."""
    return find_best_epoch(trial.intermediate_values)


def describe_best(trials: list[FrozenTrial]) -> dict[str, Any] | None:
    """The best trial as `status --json` shows it; `epoch` is the 0-based one of its best value."""
    best = best_trial(trials)
    if best is None:
        return None
    return {
        "trial": best.number,
        "value": best.value,
        "epoch": best_epoch(best),
        "params": best.params,
    }


def recent_errors(trials: list[FrozenTrial]) -> list[dict[str, Any]]:
    """The trials that failed, with their tracebacks, the last ten of them."""
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    return [
        {
            "trial": trial.number,
            "error": trial.user_attrs.get("error"),
            "traceback": trial.user_attrs.get("traceback"),
        }
        for trial in failed[-10:]
    ]
