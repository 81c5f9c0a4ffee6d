"""The table of a study's trials: one row for each, one column for each parameter and each attribute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from optuna.trial import FrozenTrial

from search.study.trials import Trial, describe_trial
from spaces import Space

Cell: TypeAlias = bool | int | float | str | datetime | None

FIRST_COLUMNS = (
    *("number", "state", "reason", "value", "best_epoch", "epochs", "seconds", "started", "ended"),
    *("seed", "configuration", "repeat"),
)
# Attributes that are columns already, or that are for programs.
_LEFT_OUT = frozenset({"reason", "seed", "configuration", "repeat", "traceback"})


@dataclass(frozen=True, kw_only=True)
class TrialTable:
    """The columns by name, each with one cell for every trial; None where a trial has no such value."""

    columns: Mapping[str, Sequence[Cell]]

    def rows(self) -> Iterable[tuple[Cell, ...]]:
        """Return the rows, in the order of the trials' numbers."""
        return zip(*self.columns.values(), strict=True)


def build_table(trials: Sequence[FrozenTrial], space: Space) -> TrialTable:
    """Return the table of a study's trials.

    Columns of parameters are called `params_<name>` and those of attributes `user_attrs_<name>`, as in Optuna's own
    table; attributes that are lists or longer texts are left out.
    """
    found = [describe_trial(trial) for trial in trials]
    rows = [
        {
            **{name: _read(trial, name) for name in FIRST_COLUMNS},
            **{f"params_{name}": value for name, value in trial.params.items()},
            **{f"user_attrs_{name}": value for name, value in _list_attributes(each.user_attrs)},
        }
        for each, trial in zip(trials, found, strict=True)
    ]
    return TrialTable(columns={name: [row.get(name) for row in rows] for name in _order(rows, space)})


def _read(trial: Trial, name: str) -> Cell:
    if name == "best_epoch":
        return trial.epoch
    if name == "epochs":
        return len(trial.accuracies)
    value: Cell = getattr(trial, name)
    return value


def _list_attributes(attributes: Mapping[str, object]) -> Iterable[tuple[str, Cell]]:
    for name, value in attributes.items():
        if name not in _LEFT_OUT and isinstance(value, bool | int | float | str):
            yield name, value


def _order(rows: Sequence[Mapping[str, Cell]], space: Space) -> list[str]:
    """Return the names of all columns: parameters in the order of the space, attributes by name."""
    there = {name for row in rows for name in row}
    by_space = [f"params_{entry.name}" for entry in space.entries() if f"params_{entry.name}" in there]
    return list(dict.fromkeys((*FIRST_COLUMNS, *by_space, *sorted(there - set(FIRST_COLUMNS)))))
