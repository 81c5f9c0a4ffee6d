"""Trials and their learning curves as frozen values."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import Any, Literal, overload

from optuna.trial import FrozenTrial, TrialState

from objectives.base.plurals import count_noun
from objectives.diagnosis.faults import Fault
from objectives.diagnosis.records import NetworkRecord
from search.errors import SearchError
from search.statistics.curves import find_best_epoch
from search.strategies.repeated.configurations import get_configuration, get_repeat
from spaces import Scalar
from storage.leasing.repeats import VOID
from storage.leasing.withdrawal import AnyTrial

State = Literal["complete", "pruned", "running", "waiting", "fail"]
DIAGNOSIS = "diagnosis"
"""The user attribute of what went wrong inside a trial's network."""


@dataclass(frozen=True, kw_only=True)
class MachinePart:
    """The epochs of a trial from one on, until the next part, and the kind of machine that reported them."""

    epoch: int
    """The first of them, counted from 0."""
    hardware: str | None = None
    """The model of its CPU or GPU."""
    threads: int | None = None
    """Of a CPU; None for a GPU."""
    torch: str | None = None
    """The version; None if an earlier program did not store it."""

    def __str__(self) -> str:
        threads = None if self.threads is None else count_noun(self.threads, "thread")
        known = (self.hardware, threads, None if self.torch is None else f"torch {self.torch}")
        return f"from epoch {self.epoch + 1} on {', '.join(word for word in known if word is not None)}"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial of a study."""

    number: int
    """Position in the study, counted from 0."""
    state: State
    value: float | None
    """The highest validation accuracy of its epochs so far, from 0 to 1; None before the first epoch."""
    epoch: int | None
    """The epoch of that accuracy, counted from 0."""
    params: Mapping[str, Scalar]
    """What the sampler chose; values that the space fixes are not in it."""
    accuracies: tuple[float, ...]
    """The validation accuracy of each epoch."""
    reason: str | None
    """Why it ended early (`pruner`, `diverged`, `cancelled`, ...), `void` if it was voided; None if it did neither."""
    error: str | None
    """What went wrong, in a sentence, if it failed, diverged or ran out of memory, or why it was voided."""
    seed: int | None
    """What its random numbers derive from; None until a worker has begun it."""
    configuration: int
    """The number of the first trial with its configuration; its own in a study without --repeats."""
    repeat: int
    """Which trial of its configuration it is, counted from 0."""
    started: datetime | None
    ended: datetime | None
    diagnosis: tuple[Fault, ...] = ()
    """What went wrong inside its network, if it did not learn; empty while it runs."""
    machines: tuple[MachinePart, ...] = ()
    """What trained it, if another kind of machine resumed it: then its curve is not bit for bit that of one machine."""

    @property
    def is_finished(self) -> bool:
        """Whether the trial is over, however it ended."""
        return self.state in ("complete", "pruned", "fail")

    @property
    def seconds(self) -> float | None:
        """Time from its start to its end; None unless it has ended."""
        if self.started is None or self.ended is None:
            return None
        return (self.ended - self.started).total_seconds()

    def __str__(self) -> str:
        """Return one line for people, who count epochs from 1."""
        reached = "" if self.value is None or self.epoch is None else f" {self.value:.4f} at epoch {self.epoch + 1};"
        params = ", ".join(f"{name}={value}" for name, value in self.params.items())
        return f"trial {self.number} ({self.state}):{reached} {params}"


def describe_trial(trial: FrozenTrial) -> Trial:
    """Return Optuna's record of a trial as a `Trial`."""
    values, notes = trial.intermediate_values, trial.user_attrs
    epoch = find_best_epoch(values)
    state: Any = trial.state.name.lower()
    return Trial(
        number=trial.number,
        state=state,
        value=trial.value if trial.state == TrialState.COMPLETE else None if epoch is None else values[epoch],
        epoch=epoch,
        params=dict(trial.params),
        accuracies=tuple(values[each] for each in sorted(values)),
        reason=notes.get("reason"),
        error=notes.get(VOID) or notes.get("error"),
        seed=notes.get("seed"),
        configuration=get_configuration(trial),
        repeat=get_repeat(trial),
        started=trial.datetime_start,
        ended=trial.datetime_complete,
        diagnosis=read_faults(trial),
        machines=read_machines(trial),
    )


def describe_machines(machines: Sequence[MachinePart]) -> str:
    """Return which kinds of machines trained a trial, in words."""
    return f"trained on more than one kind of machine ({'; '.join(map(str, machines))}), so not bit for bit as on one"


def read_machines(trial: FrozenTrial) -> tuple[MachinePart, ...]:
    """Return the kinds of machines that trained a trial, as its workers stored them; empty if it was one kind."""
    parts = tuple(MachinePart(**stored) for stored in trial.user_attrs.get("machines", ()))
    return parts if len(parts) > 1 else ()


def read_faults(trial: AnyTrial) -> tuple[Fault, ...]:
    """Return what went wrong inside a trial's network, as its worker stored it."""
    return tuple(Fault(**stored) for stored in trial.user_attrs.get(DIAGNOSIS, ()))


class Trials(Sequence[Trial]):
    """The trials of a study at one moment, in the order of their numbers."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._trials = tuple(trials)

    @overload
    def __getitem__(self, index: int) -> Trial: ...

    @overload
    def __getitem__(self, index: slice) -> Trials: ...

    def __getitem__(self, index: int | slice) -> Trial | Trials:
        return Trials(self._trials[index]) if isinstance(index, slice) else self._trials[index]

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def __len__(self) -> int:
        return len(self._trials)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trials) and self._trials == other._trials

    def __hash__(self) -> int:
        return hash(tuple(trial.number for trial in self._trials))

    def __repr__(self) -> str:
        return f"<{count_noun(len(self), 'trial')}>"

    @property
    def finished(self) -> Trials:
        """The trials that are over: complete, pruned or failed."""
        return Trials([trial for trial in self._trials if trial.is_finished])

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with one row for each trial; a parameter's column is called `params_<name>`.

        Raises:
            SearchError: pandas is not installed.
        """
        rows = [
            {
                **{name: getattr(trial, name) for name in _COLUMNS},
                "epochs": len(trial.accuracies),
                **{f"params_{name}": value for name, value in trial.params.items()},
            }
            for trial in self._trials
        ]
        return _pandas().DataFrame(rows)


_COLUMNS = ("number", "configuration", "repeat", "state", "value", "epoch", "reason", "seed", "seconds")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The metrics of a trial after each of its epochs."""

    trial: int
    epochs: tuple[int, ...]
    """Counted from 0."""
    metrics: Mapping[str, tuple[float | None, ...]]
    """By name, one value for each epoch: `accuracy`, `loss`, `learning_rate`, `seconds`, ...; None if not reported."""
    networks: Mapping[int, NetworkRecord] = field(default_factory=dict)
    """What was measured inside the network at the start of an epoch, by the epochs for which it was."""

    def __getitem__(self, name: str) -> tuple[float | None, ...]:
        return self.metrics[name]

    def __len__(self) -> int:
        return len(self.epochs)

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with one row for each epoch and one column for each metric.

        Raises:
            SearchError: pandas is not installed.
        """
        return _pandas().DataFrame({"epoch": self.epochs, **self.metrics})


def build_curve(
    trial: int, rows: Sequence[Mapping[str, Any]], layers: Mapping[int, Mapping[str, Any]] | None = None
) -> Curve:
    """Return a trial's curve from its stored rows, each with an `epoch` and the metrics of that epoch.

    layers: what was measured inside the network, as it is stored, by epoch.
    """
    names = dict.fromkeys(name for row in rows for name in row if name != "epoch")
    return Curve(
        trial=trial,
        epochs=tuple(row["epoch"] for row in rows),
        metrics={name: tuple(row.get(name) for row in rows) for name in names},
        networks={epoch: NetworkRecord.from_json(document) for epoch, document in (layers or {}).items()},
    )


def _pandas() -> ModuleType:
    try:
        return importlib.import_module("pandas")
    except ImportError:
        raise SearchError("to_frame() needs pandas, which is not installed; run `pip install pandas`") from None
