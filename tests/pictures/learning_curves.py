"""The picture of docs/how-it-searches.md: two decisions of the default pruner, and every curve of the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState
from plotly.subplots import make_subplots
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from objectives.discovery import find_objective
from search import Study
from search.statistics.curves import running_best
from search.strategies.gp.encoding import Array
from search.strategies.pruners.audit import AUDITED
from tests.pictures.decisions import Decision, Replay

OBJECTIVE, SEED = "digits-depth", 1
WIDTH, HEIGHT = 800, 360
PATIENCE_SECONDS = 60

GREY, BLUE, NAVY, ORANGE, RED, GREEN = "#b6bcc6", "#5b8fd6", "#12305e", "#e08214", "#c8372d", "#23824a"
BANDS = {RED: "rgba(200, 55, 45, .25)", GREEN: "rgba(35, 130, 74, .25)"}
TICKS = (0.1, 0.5, 0.7, 0.8, 0.9, 0.95)
EPOCHS = range(3, 7)
"""Epochs after which the decisions that are shown were made."""
APART, WIDE = 0.1, 0.3
"""Scores that an end is from the bar, and that its band is wide, at least: they are to be seen."""


class Plot:
    """A row of three plots: epochs to the right, accuracies upwards on a logarithmic scale of errors."""

    def __init__(self, titles: list[str], epochs: int, highest: float) -> None:
        self._figure = make_subplots(
            cols=3, shared_yaxes=True, horizontal_spacing=0.03, column_widths=(0.29, 0.29, 0.42), subplot_titles=titles
        )
        self._figure.update_layout(
            width=WIDTH,
            height=HEIGHT,
            margin={"l": 48, "r": 8, "t": 30, "b": 42},
            template="simple_white",
            font={"family": "Liberation Sans, Arial, sans-serif", "size": 12},
        )
        self._figure.update_annotations(font_size=13)
        self._figure.update_xaxes(title="epoch", range=[0.5, epochs + 0.8], tickvals=[1, 5, 10, 15, 20])
        self._figure.update_xaxes(title_standoff=4)
        heights = [float(_height(tick)) for tick in TICKS]
        self._figure.update_yaxes(
            tickvals=heights, ticktext=[f"{tick:.0%}" for tick in TICKS], range=[0, _height(highest) + 0.06]
        )
        self._figure.update_yaxes(title="best validation accuracy so far", title_standoff=2, col=1)
        self._named: set[tuple[int, str]] = set()

    def add_line(
        self, column: int, epochs: Any, accuracies: Any, *, name: str = "", dot: bool = False, **line: Any
    ) -> None:
        """Add a line, with a dot at its end if `dot` is set; the column's legend has each name once."""
        marker = {"size": [0] * (len(epochs) - 1) + [4], "color": line["color"], "line": {"width": 0}}
        self._add(
            column,
            name,
            x=epochs,
            y=_height(accuracies),
            mode="lines+markers" if dot else "lines",
            line=line,
            marker=marker,
        )

    def add_area(self, column: int, epochs: Any, accuracies: Any, *, name: str, color: str) -> None:
        """Add an area with these corners."""
        self._add(
            column,
            name,
            x=epochs,
            y=_height(accuracies),
            fill="toself",
            fillcolor=color,
            mode="lines",
            line={"width": 0},
        )

    def add_legend(self, column: int) -> None:
        """Show the column's legend in its lower right corner."""
        right = self._figure.layout[f"xaxis{column if column > 1 else ''}"].domain[1]
        place = {"x": right, "xanchor": "right", "y": 0.09, "yanchor": "bottom", "bgcolor": "rgba(255, 255, 255, .8)"}
        self._figure.update_layout({f"legend{column if column > 1 else ''}": {**place, "font": {"size": 11}}})

    def photograph(self, browser: Chrome, folder: Path) -> bytes:
        """Return a PNG; the page is written into the folder."""
        page = folder / "curves.html"
        page.write_text(self._figure.to_html(include_plotlyjs=True, config={"staticPlot": True}))
        browser.get(page.as_uri())
        wait = WebDriverWait(browser, PATIENCE_SECONDS)
        return wait.until(lambda _: browser.find_element(By.CSS_SELECTOR, ".svg-container")).screenshot_as_png

    def _add(self, column: int, name: str, **values: Any) -> None:
        shown = bool(name) and (column, name) not in self._named
        self._named.add((column, name))
        legend = f"legend{column if column > 1 else ''}"
        self._figure.add_scatter(**values, name=name, showlegend=shown, legend=legend, row=1, col=column)


def run_study(trials: int) -> list[FrozenTrial]:
    """Search with one worker, so that trials follow one another, and on few images, so that accuracies differ."""
    with Study.create(
        "how-it-searches", OBJECTIVE, trials=trials, train_examples=200, seed=SEED, experience="none"
    ) as study:
        study.run(workers=1)
        return study.optuna.get_trials()


def draw(trials: list[FrozenTrial]) -> Plot:
    """Draw a decision to stop a trial, one to continue another, and all curves of the study."""
    objective = find_objective(OBJECTIVE).objective
    stopped, continued = choose_decisions(trials, Replay(objective.space, trials, objective.epochs))
    titles = [
        f"trial {stopped.number}, epoch {stopped.epoch}: stopped",
        f"trial {continued.number}, epoch {continued.epoch}: continues",
        f"all {len(trials)} trials",
    ]
    highest = max(float(_best(trial).max(initial=0.0)) for trial in trials)
    plot = Plot(titles, objective.epochs, highest)
    for column, decision, color in ((1, stopped, RED), (2, continued, GREEN)):
        _draw_decision(plot, column, decision, trials, objective.epochs, color)
    _draw_study(plot, 3, trials)
    return plot


def choose_decisions(trials: list[FrozenTrial], replay: Replay) -> tuple[Decision, Decision]:
    """Return a close decision to stop a trial, and one to continue a trial that completed.

    Clear ones in the second half of the study come first, the second one after as many epochs as the first.
    """
    made = [one for trial in trials if AUDITED not in trial.user_attrs for one in replay.list_decisions(trial)]

    def is_unclear(one: Decision) -> bool:
        seen = abs(one.high - one.bar) >= APART and one.high - one.low >= WIDE
        return one.number < len(trials) // 2 or one.epoch not in EPOCHS or not seen

    stopped = min((one for one in made if one.stops), key=lambda one: (is_unclear(one), one.bar - one.high))
    return stopped, min(
        (one for one in made if not one.stops and trials[one.number].state == TrialState.COMPLETE),
        key=lambda one: (is_unclear(one), abs(one.epoch - stopped.epoch), one.high - one.bar),
    )


def _draw_decision(
    plot: Plot, column: int, decision: Decision, trials: list[FrozenTrial], epochs: int, color: str
) -> None:
    for trial in trials[: decision.number]:
        best_E = _best(trial)
        plot.add_line(column, np.arange(1, len(best_E) + 1), best_E, name="earlier trials", color=GREY, width=0.8)
    best_E, epoch = _best(trials[decision.number]), decision.epoch
    low, high, bar = (decision.to_accuracy(end) for end in (decision.low, decision.high, decision.bar))
    plot.add_area(column, [epoch, epochs, epochs], [best_E[epoch - 1], low, high], name="", color=BANDS[color])
    plot.add_line(column, np.arange(1, epoch + 1), best_E[:epoch], name="this trial", color=color, width=2.6)
    plot.add_line(column, [epochs, epochs], [low, high], name="its expected end", color=color, width=5)
    name = f"bar: best {decision.survivors} of {decision.number} ends"
    plot.add_line(column, [1, epochs], [bar, bar], name=name, color=NAVY, width=1.5, dash="dash")
    plot.add_legend(column)


def _draw_study(plot: Plot, column: int, trials: list[FrozenTrial]) -> None:
    best = max((trial for trial in trials if trial.state == TrialState.COMPLETE), key=lambda trial: trial.value or 0.0)
    for trial in trials:
        best_E = _best(trial)
        epochs = np.arange(1, len(best_E) + 1)
        if AUDITED in trial.user_attrs:
            until = int(trial.user_attrs[AUDITED])
            plot.add_line(column, epochs[:until], best_E[:until], color=GREY, width=1)
            line = {"name": "ran on to check", "color": ORANGE, "width": 2, "dash": "dot"}
            plot.add_line(column, epochs[until - 1 :], best_E[until - 1 :], **line)
        elif trial.state == TrialState.COMPLETE:
            plot.add_line(column, epochs, best_E, name="completed", color=BLUE, width=1)
        else:
            plot.add_line(column, epochs, best_E, name="stopped", dot=True, color=GREY, width=1)
    best_E = _best(best)
    plot.add_line(column, np.arange(1, len(best_E) + 1), best_E, name="the best", color=NAVY, width=2.6)
    plot.add_legend(column)


def _best(trial: FrozenTrial) -> Array:
    """Return a trial's best value up to each epoch."""
    values = trial.intermediate_values
    return running_best(np.array([values[epoch] for epoch in sorted(values)], dtype=np.float64))


def _height(accuracy: Any) -> Any:
    """Return where an accuracy is drawn: errors of 10% and 5% are as far apart as those of 20% and 10%."""
    return -np.log10(1 - np.asarray(accuracy))
