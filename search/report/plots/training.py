"""Plots of how the study was trained: history, learning curves, what ran when, early epochs against late ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import spearmanr

from search.report.plots.data import Array, PlotData, accuracies, audited_after, best_so_far, trace_epochs, trace_rises
from search.report.plots.lines import Line, Lines
from search.report.plots.runs import Run, assign_rows, split_runs
from search.report.plots.style import ACCURACY, BLUE, GREEN, GREY, NAVY, ORANGE, style

FEWEST_RANKED = 5
"""Completed trials below which a correlation of ranks says nothing."""
MOST_POINTS = 2000
"""Completed trials of a history; of more, every k-th is drawn, beside all that were the best."""
MOST_SINGLE = 10
"""Epochs up to which each has a tick."""
STATES = {
    TrialState.COMPLETE: ("completed", BLUE),
    TrialState.PRUNED: ("stopped", GREY),
    TrialState.RUNNING: ("running", GREEN),
    TrialState.FAIL: ("failed", ORANGE),
}


def choose_epoch_step(epochs: int) -> int | None:
    """Return the distance of an axis's ticks; plotly's own choice, None, would halve the epochs of a short training."""
    return 1 if epochs <= MOST_SINGLE else None


def draw_history(data: PlotData) -> go.Figure:
    """Draw the value of every completed trial, and the best of them, over the epochs that the study had trained."""
    data.require_completed(1)
    traced = trace_epochs(data.trials)
    points = [
        (epochs, float(trial.value or 0.0), trial.number)
        for epochs, trial in traced
        if trial.state == TrialState.COMPLETE
    ]
    best = trace_rises(data.trials)
    epochs, values, numbers = zip(*points[:: -(-len(points) // MOST_POINTS)], strict=True)
    figure = go.Figure()
    figure.add_scatter(
        x=epochs,
        y=values,
        mode="markers",
        name="completed",
        marker={"color": BLUE, "size": 7},
        customdata=numbers,
        hovertemplate="trial %{customdata}: %{y:.4f}<extra></extra>",
    )
    figure.add_scatter(
        x=[*(epochs for epochs, _ in best), traced[-1][0]],
        y=[*(value for _, value in best), best[-1][1]],
        mode="lines",
        name="best so far",
        line={"color": NAVY, "shape": "hv"},
    )
    figure.update_xaxes(title="epochs trained by all trials that had ended")
    figure.update_yaxes(title=ACCURACY)
    notes = [f"{len(values)} of {len(points)} completed trials" if len(values) < len(points) else ""]
    return style(figure, data.name, "history", "; ".join(filter(None, (*notes, data.describe_left_out()))))


def draw_curves(data: PlotData) -> go.Figure:
    """Draw every trial's best accuracy so far; stopped ones end in a dot, what an audited one ran on is dotted."""
    lines = Lines()
    best = max(data.completed, key=lambda trial: (float(trial.value or 0.0), -trial.number), default=None)
    for trial in data.trials:
        curve = best_so_far(trial).tolist()
        if curve and trial.state in STATES:
            _add_curve(lines, trial, curve, is_best=trial is best)
    figure = go.Figure()
    lines.draw(figure, "stopped", {"color": GREY, "width": 1}, ends=True)
    lines.draw(figure, "failed", {"color": ORANGE, "width": 1}, ends=True)
    lines.draw(figure, "ran on as a check", {"color": ORANGE, "width": 2, "dash": "dot"})
    lines.draw(figure, "completed", {"color": BLUE, "width": 1})
    lines.draw(figure, "running", {"color": GREEN, "width": 2}, ends=True)
    lines.draw(figure, "the best", {"color": NAVY, "width": 3})
    figure.update_xaxes(title="epoch", range=[0.5, data.epochs + 0.5], dtick=choose_epoch_step(data.epochs))
    figure.update_yaxes(title=f"best {ACCURACY} so far")
    return style(figure, data.name, "learning curves", _count_curves(data))


def _add_curve(lines: Lines, trial: FrozenTrial, curve: Sequence[float], *, is_best: bool) -> None:
    until = audited_after(trial)
    if until is not None and until < len(curve):
        lines.add("stopped", Line(trial=trial.number, first=1, values=curve[:until]))
        lines.add("ran on as a check", Line(trial=trial.number, first=until, values=curve[until - 1 :]))
    if is_best or until is None or until >= len(curve):
        name = "the best" if is_best else STATES[trial.state][0]
        lines.add(name, Line(trial=trial.number, first=1, values=curve))


def _count_curves(data: PlotData) -> str:
    counted = {name: sum(trial.state == state for trial in data.trials) for state, (name, _) in STATES.items()}
    return ", ".join(f"{count} {name}" for name, count in counted.items() if count) or "no trials yet"


def draw_timeline(data: PlotData) -> go.Figure:
    """Draw when each trial trained, in as many rows as ran at once; a cross marks where training was interrupted."""
    figure = go.Figure()
    runs = [run for trial in data.trials for run in split_runs(trial.number, data.reported.get(trial.number, ()))]
    rows = assign_rows(runs)
    placed = [(run, row, data.trials[run.trial].state) for run, row in zip(runs, rows, strict=True)]
    for state, (name, colour) in STATES.items():
        _add_bars(figure, name, colour, [(run, row) for run, row, found in placed if found == state])
    broken = [(run, row) for run, row, _ in placed if run.interrupted]
    if broken:
        figure.add_scatter(
            x=[run.end for run, _ in broken],
            y=[row for _, row in broken],
            mode="markers",
            name="interrupted",
            marker={"symbol": "x", "color": ORANGE, "size": 9, "line": {"color": "white", "width": 1}},
            customdata=[run.trial for run, _ in broken],
            hovertemplate="trial %{customdata} interrupted after this epoch<extra></extra>",
        )
    figure.update_layout(barmode="overlay", bargap=0.2)
    figure.update_xaxes(type="date", title="time (UTC)", nticks=6)
    figure.update_yaxes(title="trials at once", tickmode="linear" if max(rows, default=1) < 16 else "auto")
    return style(figure, data.name, "timeline", _count_curves(data))


def _add_bars(figure: go.Figure, name: str, colour: str, runs: Sequence[tuple[Run, int]]) -> None:
    if not runs:
        return
    figure.add_bar(
        y=[row for _, row in runs],
        base=[run.start for run, _ in runs],
        x=[(run.end - run.start).total_seconds() * 1000 for run, _ in runs],
        orientation="h",
        name=name,
        marker={"color": colour, "line": {"color": "white", "width": 1}},
        customdata=[run.trial for run, _ in runs],
        hovertemplate="trial %{customdata}<extra></extra>",
    )


def draw_budget_correlation(data: PlotData) -> go.Figure:
    """Draw how well the ranks after each epoch agree with the ranks of the completed trials' values."""
    correlations = correlate_budgets([accuracies(trial) for trial in data.require_completed(FEWEST_RANKED)])
    figure = go.Figure()
    figure.add_scatter(
        x=list(range(1, len(correlations) + 1)), y=correlations, mode="lines+markers", line={"color": BLUE}
    )
    figure.update_xaxes(title="epoch", range=[0.5, data.epochs + 0.5], dtick=choose_epoch_step(data.epochs))
    figure.update_yaxes(title="rank correlation with the value", range=[-1.05, 1.05])
    return style(figure, data.name, "do early epochs rank as late ones?", data.describe_left_out())


def correlate_budgets(curves: Sequence[Array]) -> list[float | None]:
    """Return Spearman's rank correlation of the best accuracy up to each epoch with the final one.

    Trials that ended earlier (early stopping) keep their last value. None where all trials are equal.

    Args:
        curves: Accuracies of each trial, shape (E,); those without an epoch do not count.
    """
    curves = [curve for curve in curves if len(curve)]
    longest = max(map(len, curves), default=0)
    table_TE = np.array([np.pad(np.maximum.accumulate(c), (0, longest - len(c)), mode="edge") for c in curves])
    return [_correlate(table_TE[:, epoch], table_TE[:, -1]) for epoch in range(longest)]


def _correlate(early_T: Array, final_T: Array) -> float | None:
    if np.ptp(early_T) == 0 or np.ptp(final_T) == 0:
        return None
    return float(spearmanr(early_T, final_T).statistic)
