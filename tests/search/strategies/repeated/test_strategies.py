"""What samplers and pruners see of trials that share a configuration: one trial, with the mean curve."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from search.strategies import policy
from search.strategies.gp.encoding import Encoding
from search.strategies.gp.learning_curves import CurveReader
from search.strategies.repeated.strategies import ConfigurationPruner, ConfigurationSampler
from search.strategies.repeated.view import ConfigurationView
from search.strategies.setting import StrategySetting
from spaces import Float, Space
from storage.leasing.repeats import STOPPED, describe_repeat
from tests.search.strategies.repeated.made import COMPLETE, PRUNED, RUNNING, member, study_of

SPACE = Space(x=Float(0, 1))
CURVES = [
    *(member(0, repeat, curve) for repeat, curve in enumerate([[0.2, 0.4], [0.4, 0.6], [0.6, 0.8]])),
    member(3, 0, [0.3, 0.5]),
    member(3, 1, [0.5], RUNNING),
]


class Recorder(BasePruner):
    """Stops what it is told to, and keeps what it saw."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.seen: list[FrozenTrial] = []

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        self.seen.append(trial)
        assert study.get_trials(deepcopy=False)[trial.number].intermediate_values == trial.intermediate_values
        return self.answer


def test_each_configuration_is_one_trial_with_the_mean_curve_and_value() -> None:
    first, second = ConfigurationView(study_of(*CURVES)).study.trials
    assert (first.number, first.state, first.params) == (0, COMPLETE, {"x": 0.0})
    assert first.value == pytest.approx(0.6)
    assert first.intermediate_values == pytest.approx({0: 0.4, 1: 0.6})
    assert (second.number, second.state, second.params) == (1, RUNNING, {"x": 0.03})
    assert second.intermediate_values == pytest.approx({0: 0.4, 1: 0.5})


def test_the_model_learns_the_means_and_over_how_many_reports_each_is() -> None:
    study = study_of(*CURVES)
    view, reader = ConfigurationView(study), CurveReader(Encoding(SPACE), 2, 0)
    curves = reader.read(view.study)
    assert curves.best_NE == pytest.approx(np.array([[0.4, 0.6], [0.4, 0.5]]))
    assert curves.means_NE is not None
    assert curves.means_NE.tolist() == [[3, 3], [2, 1]]
    # Another trial reaches an epoch that the configuration has reached already.
    study.add_trial(member(3, 2, [0.1, 0.1], RUNNING))
    curves = reader.read(view.study)
    assert curves.best_NE == pytest.approx(np.array([[0.4, 0.6], [0.3, 0.3]]))
    assert curves.means_NE is not None
    assert curves.means_NE.tolist() == [[3, 3], [3, 2]]


def test_a_stopped_configuration_has_ended_once_whatever_its_running_trials_still_report() -> None:
    study = study_of(member(0, 0, [0.1], PRUNED), member(0, 1, [0.2], RUNNING))
    view, reader = ConfigurationView(study), CurveReader(Encoding(SPACE), 3, 0)
    assert reader.read(view.study).finished.tolist() == [0]
    study.add_trial(member(0, 2, [0.3, 0.3], PRUNED))
    assert reader.read(view.study).finished.tolist() == [0]
    assert view.study.trials[0].datetime_complete == study.trials[0].datetime_complete


def test_studies_without_repeats_know_of_no_means() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=0.5, intermediate_values={0: 0.5}))
    assert CurveReader(Encoding(SPACE), 2, 0).read(study).means_NE is None


@pytest.mark.parametrize("answer", [False, True])
def test_a_pruner_decides_by_the_mean_curve(answer: bool) -> None:
    study, recorder = study_of(*CURVES), Recorder(answer)
    asking = study.trials[4]
    assert ConfigurationPruner(recorder).prune(study, asking) is answer
    assert recorder.seen[0].intermediate_values == pytest.approx({0: 0.4, 1: 0.5})
    assert recorder.seen[0]._trial_id == asking._trial_id  # what a pruner notes is written to the trial that asks


def test_all_trials_of_a_configuration_stop_with_one_of_them() -> None:
    study, recorder = study_of(member(0, 0, [0.9], PRUNED), member(0, 1, [0.9], RUNNING)), Recorder(answer=False)
    assert ConfigurationPruner(recorder).prune(study, study.trials[1])
    assert recorder.seen == []


def test_why_a_configuration_was_stopped_is_what_its_first_stopped_trial_says() -> None:
    stopped, skipped = member(0, 0, [0.9], PRUNED), member(0, 1, [], PRUNED)
    stopped.user_attrs = {**stopped.user_attrs, "reason": "pruner"}
    skipped.user_attrs = {**skipped.user_attrs, "reason": STOPPED}
    for order in ([stopped, skipped], [skipped, stopped]):
        assert ConfigurationView(study_of(*order)).study.trials[0].user_attrs["reason"] == "pruner"


@pytest.mark.parametrize("name", ["curves", "tpe", "random", "qmc", "grid"])
def test_a_sampler_proposes_for_the_first_trial_of_a_configuration_only(name: str) -> None:
    setting = StrategySetting(space=SPACE, epochs=2, seed=3, trials=30, repeats=3, points=5)
    sampler, pruner = policy.build_strategies(name, "rank", setting)
    assert isinstance(sampler, ConfigurationSampler)
    study = study_of(sampler=sampler, pruner=pruner)
    values = []
    for _ in range(4):
        trial = study.ask()
        values.append(trial.suggest_float("x", 0, 1))
        for key, value in describe_repeat(trial.number, 0, 3).items():
            trial.set_user_attr(key, value)
        study.tell(trial, values[-1])
        for repeat in (1, 2):
            study.add_trial(member_like(study.trials[trial.number], repeat))
    assert len(set(values)) == 4
    if name == "grid":
        assert values == [0, 0.25, 0.5, 0.75]
    later = study_of(*(trial for trial in study.trials if trial.number < 4), sampler=sampler)
    waiting = study_of(sampler=sampler)
    assert waiting.sampler.sample_relative(later, later.trials[1], SPACE.distributions()) == {}


def member_like(first: FrozenTrial, repeat: int) -> FrozenTrial:
    """A further trial of a configuration."""
    return optuna.trial.create_trial(
        value=first.value,
        params=first.params,
        distributions=first.distributions,
        user_attrs=describe_repeat(first.number, repeat, 3),
    )
