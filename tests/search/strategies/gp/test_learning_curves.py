"""Trials as arrays: the best value so far, whatever was reported and in whatever state a trial is."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from search.strategies.gp.encoding import Encoding
from search.strategies.gp.learning_curves import REPORTS, CurveReader, LearningCurves
from spaces import Float, Space

SPACE = Space(x=Float(0, 1))
EPOCHS = 4


def study_with(*curves: list[float], direction: str = "maximize") -> optuna.Study:
    study = optuna.create_study(direction=direction)
    for curve in curves:
        trial = study.ask(SPACE.distributions())
        for epoch, value in enumerate(curve):
            trial.report(value, epoch)
    return study


def read(study: optuna.Study, first_step: int = 0) -> LearningCurves:
    return CurveReader(Encoding(SPACE), EPOCHS, first_step).read(study)


def test_the_best_value_so_far_epoch_by_epoch() -> None:
    curves = read(study_with([0.2, 0.5, 0.4], [], [0.1, float("nan"), 0.3, 0.2]))
    assert curves.epochs_N.tolist() == [3, 0, 4]
    assert curves.best_NE[0] == pytest.approx([0.2, 0.5, 0.5, np.nan], nan_ok=True)
    assert curves.best_NE[2] == pytest.approx([0.1, 0.1, 0.3, 0.3])
    assert curves.best_within(1).tolist() == [0.2, -np.inf, 0.1]
    assert curves.best_within(4).tolist() == [0.5, -np.inf, 0.3]
    assert curves.waiting.tolist() == [1]


def test_lower_is_better_where_the_study_says_so() -> None:
    assert read(study_with([0.5, 0.2], direction="minimize")).best_within(2).tolist() == [-0.2]


def test_steps_may_begin_at_one() -> None:
    study = optuna.create_study(direction="maximize")
    trial = study.ask(SPACE.distributions())
    trial.report(0.7, 1)
    trial.report(0.8, EPOCHS)
    curves = read(study, first_step=1)
    assert curves.epochs_N.tolist() == [EPOCHS]
    assert curves.best_NE[0] == pytest.approx([0.7, 0.7, 0.7, 0.8])


def test_failed_and_enqueued_trials_are_left_out() -> None:
    study = study_with([0.1], [0.2], [0.3])
    study.tell(0, state=TrialState.FAIL)
    study.enqueue_trial({"x": 0.5})
    assert read(study).numbers_N.tolist() == [1, 2]


def test_a_trial_that_broke_down_is_the_worst_from_its_beginning() -> None:
    study = study_with([0.2, 0.9], [0.1, 0.3])
    study._storage.set_trial_system_attr(study.trials[0]._trial_id, "constraints:feasible", 1.0)
    study.tell(0, state=TrialState.PRUNED)
    curves = read(study)
    assert curves.best_within(EPOCHS).tolist() == [-np.inf, 0.3]
    assert curves.epochs_N.tolist() == [3, 2]


def test_a_second_look_sees_what_has_changed() -> None:
    study = study_with([0.2], [0.3])
    history = CurveReader(Encoding(SPACE), EPOCHS, 0)
    assert history.read(study).finished.tolist() == []
    study.tell(1, state=TrialState.PRUNED)
    study.tell(0, 0.2)
    for value in np.linspace(0.4, 0.9, 70):
        trial = study.ask(SPACE.distributions())
        trial.report(value, 0)
    curves = history.read(study)
    assert curves.finished.tolist() == [1, 0]  # in the order in which they ended
    assert curves.best_within(1) == pytest.approx([0.2, 0.3, *np.linspace(0.4, 0.9, 70)])
    assert len(history.read(study, leave_out=5)) == 71


def test_over_how_many_reports_each_value_is_a_mean_is_read_again_once_there_are_more() -> None:
    study = study_with([0.2, 0.3], [0.4])
    history = CurveReader(Encoding(SPACE), EPOCHS, 0)
    assert history.read(study).means_NE is None
    stopped = study.trials[0]._trial_id
    study._storage.set_trial_system_attr(stopped, REPORTS, {0: 2, 1: 1})
    means_NE = history.read(study).means_NE
    assert means_NE is not None
    assert means_NE.tolist() == [[2, 1, 1, 1], [1, 1, 1, 1]]
    study.tell(1, 0.4)
    study.tell(0, state=TrialState.PRUNED)
    assert history.read(study).finished.tolist() == [1, 0]
    trials = study.get_trials(deepcopy=False)
    trials[0].system_attrs[REPORTS] = {0: 3, 1: 2}  # of trials that were running when the configuration was stopped
    curves = history.read(study)
    assert curves.finished.tolist() == [1, 0]
    for some, expected in ((curves, [[3, 2, 1, 1], [1, 1, 1, 1]]), (curves.take(np.array([0])), [[3, 2, 1, 1]])):
        assert some.means_NE is not None
        assert some.means_NE.tolist() == expected


def test_a_trial_that_is_still_being_drawn_is_read_again() -> None:
    study = optuna.create_study(direction="maximize")
    trial = study.ask()
    history = CurveReader(Encoding(SPACE), EPOCHS, 0)
    assert np.isnan(history.read(study).units_NP[0, 0])
    trial.suggest_float("x", 0, 1)
    assert not np.isnan(history.read(study).units_NP[0, 0])
