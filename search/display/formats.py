"""Trials, counts, parameters and durations in a few words, as every display writes them."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len, set_cell_size

from objectives.base.plurals import count_noun
from objectives.base.printable import escape_controls
from search.display.output import format_float
from search.study.status_types import Status
from search.study.trials import Trial
from spaces import Scalar


def format_counts(status: Status) -> str:
    """Return how many trials are in each state, without the states that have none; void trials are not failures."""
    void = status.reasons.get("void", 0)  # kept in Optuna's state FAIL
    counts = vars(status.states) | {"fail": status.states.fail - void, "void": void}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def format_trial(trial: Trial) -> str:
    """Return one finished trial as one line."""
    shown = "-" if trial.value is None else f"{trial.value:.4f}"
    epochs = count_noun(len(trial.accuracies), "epoch")
    return f"trial {trial.number:3d}  {shown}  {epochs}, {describe_end(trial)}  {format_parameters(trial.params)}"


def describe_end(trial: Trial) -> str:
    """Return how a trial ended, with the reason if it is not the pruner."""
    if trial.state == "fail":
        how = {"void": "voided", "cancelled": "removed"}.get(trial.reason or "", "failed")
        return f"{how}: {trial.error or trial.reason}"
    return f"pruned: {trial.reason}" if trial.state == "pruned" and trial.reason != "pruner" else trial.state


def format_parameters(params: Mapping[str, Scalar]) -> str:
    """Return a trial's parameters, short enough to read."""
    return " ".join(
        f"{name}={format_float(value, 3) if isinstance(value, float) else value}" for name, value in params.items()
    )


def format_duration(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def shorten(text: str, columns: int) -> str:
    """Return text in which nothing acts, with an ellipsis in place of what does not fit into the columns."""
    text = escape_controls(text)
    return text if cell_len(text) <= columns else set_cell_size(text, columns - 1) + "…"


def format_seconds(seconds: float) -> str:
    """Return the seconds of an epoch, as a table has them."""
    return f"{seconds:.2f}" if seconds < 9.995 else f"{seconds:.1f}" if seconds < 99.95 else f"{seconds:.0f}"
