"""Plots of how the study was trained: history, learning curves, when what ran."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from search.report.plots.data import Array, PlotData, ReportedEpoch, accuracies, audited_after, best_so_far
from search.report.plots.style import ACCURACY, BLUE, GREEN, GREY, NAVY, ORANGE, style

STATE_COLOURS = {
    TrialState.COMPLETE: BLUE,
    TrialState.PRUNED: GREY,
    TrialState.RUNNING: GREEN,
    TrialState.FAIL: ORANGE,
    TrialState.WAITING: GREY,
}


def draw_history(data: PlotData) -> go.Figure:
    """Draw the value of every completed trial, and the best of them, over the epochs that the study had trained."""
    data.require_completed(1)
    ended = sorted(
        (trial for trial in data.trials if trial.datetime_complete is not None),
        key=lambda trial: (trial.datetime_complete, trial.number),
    )
    trained = np.cumsum([len(trial.intermediate_values) for trial in ended])
    points = [
        (int(epochs), float(trial.value or 0.0), trial.number)
        for epochs, trial in zip(trained, ended, strict=True)
        if trial.state == TrialState.COMPLETE
    ]
    epochs, values, numbers = zip(*points, strict=True)
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
        x=[*epochs, int(trained[-1])],
        y=[*np.maximum.accumulate(values), max(values)],
        mode="lines",
        name="best so far",
        line={"color": NAVY, "shape": "hv"},
    )
    figure.update_xaxes(title="epochs trained by all trials that had ended")
    figure.update_yaxes(title=ACCURACY)
    return style(figure, f"{data.study.study_name}: history", data.left_out())


def draw_curves(data: PlotData) -> go.Figure:
    """Draw every trial's best accuracy so far; stopped ones end in a dot, what an audited one ran on is dotted."""
    figure, named = go.Figure(), set[str]()

    def add(name: str, trial: FrozenTrial, first: int, values: Sequence[float], **look: object) -> None:
        figure.add_scatter(
            x=list(range(first, first + len(values))),
            y=values,
            name=name,
            legendgroup=name,
            showlegend=name not in named,
            customdata=[trial.number] * len(values),
            hovertemplate="trial %{customdata}, epoch %{x}: %{y:.4f}<extra></extra>",
            **{"mode": "lines", **look},
        )
        named.add(name)

    best = data.best.number if data.completed else None
    for trial in sorted(data.trials, key=lambda each: (each.state == TrialState.COMPLETE, each.number == best)):
        curve = best_so_far(trial).tolist()
        if not curve:
            continue
        until = audited_after(trial)
        if until is not None:
            add("would have been stopped", trial, 1, curve[:until], line={"color": GREY, "width": 1})
            add("ran on to check", trial, until, curve[until - 1 :], line={"color": ORANGE, "width": 2, "dash": "dot"})
        if trial.number == best:
            add("the best", trial, 1, curve, line={"color": NAVY, "width": 3})
        elif until is None and trial.state == TrialState.COMPLETE:
            add("completed", trial, 1, curve, line={"color": BLUE, "width": 1})
        elif until is None:
            name = "running" if trial.state == TrialState.RUNNING else "stopped"
            color = STATE_COLOURS[trial.state]
            sizes = [0] * (len(curve) - 1) + [5]
            add(
                name,
                trial,
                1,
                curve,
                mode="lines+markers",
                line={"color": color, "width": 1},
                marker={"size": sizes, "color": color},
            )
    figure.update_xaxes(title="epoch", range=[0.5, data.epochs + 0.5])
    figure.update_yaxes(title=f"best {ACCURACY} so far")
    return style(figure, f"{data.study.study_name}: learning curves")


def draw_timeline(data: PlotData) -> go.Figure:
    """Draw when each trial trained, in as many rows as ran at once; a cross marks where another worker resumed it."""
    figure = go.Figure()
    rows = assign_rows([(trial.number, data.reported.get(trial.number, ())) for trial in data.trials])
    for state, colour in STATE_COLOURS.items():
        shown = [trial for trial in data.trials if trial.state == state and trial.number in rows]
        if not shown:
            continue
        spans = [_span(data.reported[trial.number]) for trial in shown]
        figure.add_bar(
            y=[rows[trial.number] for trial in shown],
            base=[start for start, _ in spans],
            x=[(end - start).total_seconds() * 1000 for start, end in spans],
            orientation="h",
            name=state.name.lower(),
            marker={"color": colour, "line": {"color": "white", "width": 1}},
            customdata=[trial.number for trial in shown],
            hovertemplate="trial %{customdata}<extra></extra>",
        )
    broken = [
        (rows[trial.number], after.reported_at)
        for trial in data.trials
        if trial.number in rows
        for before, after in pairwise(data.reported[trial.number])
        if before.token != after.token
    ]
    if broken:
        look = {"symbol": "x", "color": ORANGE, "size": 9}
        at = [moment for _, moment in broken]
        figure.add_scatter(x=at, y=[row for row, _ in broken], mode="markers", name="resumed", marker=look)
    figure.update_layout(barmode="overlay", bargap=0.2)
    figure.update_xaxes(type="date", title="time (UTC)")
    figure.update_yaxes(title="trials at once", dtick=1)
    return style(figure, f"{data.study.study_name}: timeline")


def assign_rows(trials: Sequence[tuple[int, Sequence[ReportedEpoch]]]) -> dict[int, int]:
    """Return a row, counted from 1, for each trial with epochs: the lowest one that is free when it starts."""
    free_from: list[datetime] = []
    rows: dict[int, int] = {}
    spans = sorted((_span(epochs), number) for number, epochs in trials if epochs)
    for (start, end), number in spans:
        row = next((row for row, until in enumerate(free_from) if until <= start), len(free_from))
        free_from[row : row + 1] = [end]
        rows[number] = row + 1
    return rows


def _span(epochs: Sequence[ReportedEpoch]) -> tuple[datetime, datetime]:
    first = epochs[0]
    return first.reported_at - timedelta(seconds=first.seconds or 0.0), epochs[-1].reported_at


def draw_budget_correlation(data: PlotData) -> go.Figure:
    """Draw how well the ranks after each epoch agree with the ranks of the completed trials' values."""
    correlations = correlate_budgets([accuracies(trial) for trial in data.require_completed(5)])
    figure = go.Figure()
    figure.add_scatter(
        x=list(range(1, len(correlations) + 1)), y=correlations, mode="lines+markers", line={"color": BLUE}
    )
    figure.update_xaxes(title="epoch", range=[0.5, data.epochs + 0.5])
    figure.update_yaxes(title="rank correlation with the value", range=[-1.05, 1.05])
    note = "Spearman's; only completed trials count, and these were chosen by the pruner"
    return style(figure, f"{data.study.study_name}: do early epochs rank as late ones?", note)


def correlate_budgets(curves: Sequence[Array]) -> list[float | None]:
    """Return Spearman's rank correlation of the best accuracy up to each epoch with the final one.

    Trials that ended earlier (early stopping) keep their last value. None where all ranks are equal.
    """
    from scipy.stats import spearmanr

    longest = max(map(len, curves))
    table_TE = np.array([np.pad(np.maximum.accumulate(c), (0, longest - len(c)), mode="edge") for c in curves])
    if np.ptp(table_TE[:, -1]) == 0:
        return [None] * longest
    return [
        None if np.ptp(column_T) == 0 else float(spearmanr(column_T, table_TE[:, -1]).statistic)
        for column_T in table_TE.T
    ]
