"""One metric of some trials of a study, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from optuna.trial import FrozenTrial

from search.errors import NothingToDo, UsageError
from search.statistics.curves import best_value
from search.study.status import StudyView, rank_completed
from search.study.trials import MachinePart, State, describe_trial, read_machines
from spaces.suggestions import suggest_and_list
from storage.database import Database
from storage.leasing.repeats import VOID
from storage.leasing.withdrawal import is_void
from storage.optuna_adapter import get_trial_id
from storage.records import epochs

SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class TrialCurve:
    """A metric of one trial."""

    trial: int
    """Its number."""
    state: State
    reason: str | None
    """Why it is void; None for any other trial."""
    values: tuple[float | None, ...]
    """After each epoch, from the first on; None where the trial did not report it."""
    machines: tuple[MachinePart, ...] = ()
    """What trained it, if another kind of machine resumed it; empty otherwise."""


@dataclass(frozen=True, kw_only=True)
class StudyCurves:
    """A metric of some trials of a study."""

    study: str
    metric: str
    epochs: int
    """Epochs of a full training."""
    trials: tuple[TrialCurve, ...]

    def to_json(self) -> dict[str, object]:
        """Return the document that `search curves --json` prints."""
        return asdict(self)

    @property
    def longest(self) -> int:
        """The most epochs that one of these trials has."""
        return max((len(each.values) for each in self.trials), default=0)


def read_curves(database: Database, view: StudyView, numbers: Sequence[int], metric: str) -> StudyCurves:
    """Read a metric of some trials; of the best ones if none is named.

    Raises:
        UsageError: the study has no such trial, or none of the trials has stored such a metric.
        NothingToDo: none of the trials has an epoch yet.
    """
    trials = [view.find_trial(number) for number in numbers] or choose_trials(view.trials())
    stored = {trial.number: epochs.read_curve(database.engine, get_trial_id(trial)) for trial in trials}
    known = dict.fromkeys(name for rows in stored.values() for row in rows for name in row if name != "epoch")
    if not known:
        which = "these trials" if numbers else "any trial"
        raise NothingToDo(f"no epoch of {which} of study {view.record.name!r} is stored yet; train first")
    if metric not in known:
        raise UsageError(f"unknown metric {metric!r}; {suggest_and_list(metric, known)}")
    curves = [
        TrialCurve(
            trial=trial.number,
            state=describe_trial(trial).state,
            reason=trial.user_attrs.get(VOID),
            values=_order(stored[trial.number], metric),
            machines=read_machines(trial),
        )
        for trial in trials
    ]
    return StudyCurves(study=view.record.name, metric=metric, epochs=view.spec.epochs, trials=tuple(curves))


def choose_trials(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the best completed trials; if these are few, also those that have come highest so far."""
    best = rank_completed(trials)
    others = [trial for trial in trials if trial.intermediate_values and trial not in best and not is_void(trial)]
    others.sort(key=lambda trial: (-best_value(trial.intermediate_values), trial.number))
    return [*best, *others][:SHOWN]


def _order(rows: Sequence[Mapping[str, float]], metric: str) -> tuple[float | None, ...]:
    by_epoch = {int(row["epoch"]): row.get(metric) for row in rows}
    return tuple(by_epoch.get(epoch) for epoch in range(max(by_epoch, default=-1) + 1))
