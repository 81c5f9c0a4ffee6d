"""What plots of the training draw, against values worked out by hand."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from search.report.plots.data import PlotData
from search.report.plots.reading import read_plot_data
from search.report.plots.runs import Run, assign_rows, split_runs
from search.report.plots.training import MOST_POINTS, correlate_budgets, draw_curves, draw_history, draw_timeline
from search.study.status import StudyView
from storage.database import Database
from storage.leasing import leases
from storage.leasing.beats import Beat
from storage.optuna_adapter import get_trial_id
from storage.records import epochs, studies
from tests.search.report.plots.made import START, make_data, make_trial, report

PRUNED, RUNNING = TrialState.PRUNED, TrialState.RUNNING


def by_name(figure: object) -> dict[str, object]:
    return {trace.name: trace for trace in figure.data}  # type: ignore[attr-defined]


def test_history_counts_the_epochs_of_every_trial_that_had_ended() -> None:
    figure = draw_history(
        make_data(
            make_trial(0, (0.5, 0.6, 0.7), ended=5),
            make_trial(1, (0.4, 0.5), PRUNED, ended=1),
            make_trial(2, (0.5, 0.65), ended=3),
            make_trial(3, (0.4,), PRUNED, ended=9),
            make_trial(4, (0.9,), RUNNING),
        )
    )
    completed, best = figure.data
    assert (completed.x, completed.y, list(completed.customdata)) == ((4, 7), (0.65, 0.7), [2, 0])
    assert (best.x, best.y) == ((4, 7, 8), (0.65, 0.7, 0.7))
    assert "not shown: 2 stopped early, 1 running" in figure.layout.title.text


def test_a_long_history_keeps_every_best_trial() -> None:
    trials = [make_trial(number, (0.5 + number / 10_000,)) for number in range(2 * MOST_POINTS + 1)]
    completed, best = draw_history(make_data(*trials)).data
    assert (len(completed.x), len(best.x)) == (1334, len(trials) + 1)
    assert (best.x[-1], best.y[-1]) == (len(trials), trials[-1].value)
    assert "1334 of 4001 completed trials" in draw_history(make_data(*trials)).layout.title.text


def test_curves_show_each_trial_as_what_it_is() -> None:
    drawn = by_name(
        draw_curves(
            make_data(
                make_trial(0, (0.3, 0.2, 0.6)),
                make_trial(1, (0.2, 0.1), PRUNED),
                make_trial(2, (0.1, 0.2, 0.3, 0.4), audited=2),
                make_trial(3, (0.2,), RUNNING),
                make_trial(4, (), RUNNING),
            )
        )
    )
    assert list(drawn) == ["stopped", "ran on as a check", "running", "the best"]
    stopped, checked, best = (drawn[name] for name in ("stopped", "ran on as a check", "the best"))
    assert (stopped.x, stopped.y) == ((1, 2, None, 1, 2, None), (0.2, 0.2, None, 0.1, 0.2, None))  # type: ignore[attr-defined]
    assert stopped.marker.size == (0, 5, 0, 0, 5, 0)  # type: ignore[attr-defined]
    assert (checked.x, checked.y) == ((2, 3, 4, None), (0.2, 0.3, 0.4, None))  # type: ignore[attr-defined]
    assert (best.x, best.y) == ((1, 2, 3, None), (0.3, 0.3, 0.6, None))  # type: ignore[attr-defined]


def test_runs_are_parted_where_the_lease_changed_and_share_rows() -> None:
    first = split_runs(0, report(2.0, 3.0, 4.0, tokens=(1, 1, 2)))
    assert first == [
        Run(trial=0, start=START, end=START + timedelta(seconds=5), interrupted=True),
        Run(trial=0, start=START + timedelta(seconds=5), end=START + timedelta(seconds=9), interrupted=False),
    ]
    others = [*split_runs(1, report(3.0, after=1.0)), *split_runs(2, report(1.0, after=4.5))]
    assert assign_rows([*first, *others]) == [1, 1, 2, 2]
    assert split_runs(3, []) == []


def test_the_timeline_marks_where_another_worker_took_over(database: Database) -> None:
    record = studies.create(database, "s", {"objective": "made-up", "dataset": "digits", "epochs": 3}, 10)
    trial_id = get_trial_id(optuna.load_study(study_name="s", storage=database.optuna).ask())
    with database.engine.begin() as connection:
        lease = leases.claim(connection, record.study_id, trial_id, "first", 30.0)
    beat = Beat(worker="first", study_id=record.study_id, device="cpu")
    for epoch in range(2):
        told = {epoch: {"accuracy": 0.5, "seconds": 0.001}}
        epochs.record(database.engine, beat, lease, told, lease_seconds=30.0)
    leases.release(database.engine, lease)
    taken = leases.take_over(database.engine, record.study_id, "second", 30.0)
    assert taken is not None
    beat = Beat(worker="second", study_id=record.study_id, device="cpu")
    epochs.record(database.engine, beat, taken, {2: {"accuracy": 0.6}}, lease_seconds=30.0)

    data = read_plot_data(database, StudyView(database, "s"))
    assert [each.token for each in data.reported[0]] == [1, 1, 2]
    assert [each.seconds for each in data.reported[0]] == [0.001, 0.001, None]
    bars, crosses = draw_timeline(data).data
    assert (bars.name, len(bars.x), crosses.name) == ("running", 2, "interrupted")
    assert crosses.x == (data.reported[0][1].reported_at,)
    assert crosses.y == (bars.y[0],)


def test_rows_of_the_timeline_are_trials_at_once() -> None:
    trials = [make_trial(0, (0.5,)), make_trial(1, (0.5,), PRUNED), make_trial(2, (), RUNNING)]
    data: PlotData = make_data(*trials, reported={0: report(2.0), 1: report(4.0, after=1.0)})
    drawn = by_name(draw_timeline(data))
    assert list(drawn) == ["completed", "stopped"]
    assert (drawn["completed"].y, drawn["completed"].x) == ((1,), (2000.0,))  # type: ignore[attr-defined]
    assert (drawn["stopped"].y, drawn["stopped"].base) == ((2,), (START + timedelta(seconds=1),))  # type: ignore[attr-defined]


def test_early_epochs_are_compared_by_rank() -> None:
    early, late = (0.2, 0.1, 0.3, 0.5, 0.4), (0.6, 0.7, 0.8, 0.9, 1.0)
    curves = [np.array(pair) for pair in zip(early, late, strict=True)]
    # Ranks 2 1 3 5 4 against 1 2 3 4 5: squared differences 1 + 1 + 0 + 1 + 1; 1 - 6 * 4 / (5 * 24).
    assert correlate_budgets(curves) == pytest.approx([0.8, 1.0])
    # A trial that ended early keeps its last value; equal ones have no ranks.
    assert correlate_budgets([np.array([0.5]), np.array([0.5, 0.9])]) == [None, pytest.approx(1.0)]
    assert correlate_budgets([np.array([]), np.array([])]) == []
