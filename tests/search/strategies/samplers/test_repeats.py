"""The default sampler repeats a configuration only when the space has no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from search.strategies.gp.encoding import Encoding
from search.strategies.samplers.curves import CurvesSampler
from spaces import Categorical, Float, Int, Space

EPOCHS = 4
EIGHT = Space(x=Int(1, 8))
MANY = Space({f"c{place}": Categorical(*"abcdef") for place in range(5)})
# 2 + 3 + 1 configurations; each choice is made as often as the others.
CONDITIONAL = Space(
    kind=Categorical({"a": Space(x=Int(1, 2)), "b": Space(y=Float(0, 1, step=0.5)), "c": Space()}), batch=Int(64, 64)
)

Score = Callable[[Mapping[str, Any]], float]


def ask(study: optuna.Study, space: Space) -> optuna.Trial:
    trial = study.ask()
    space.sample(trial)
    return trial


def make_study(space: Space, seed: int = 0) -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=CurvesSampler(space, EPOCHS, seed))


def search(study: optuna.Study, space: Space, score: Score, trials: int) -> list[tuple[Any, ...]]:
    """Return the configurations of a number of trials, each of which is stopped after an epoch."""
    found = []
    for _ in range(trials):
        trial = ask(study, space)
        trial.report(score(trial.params), 0)
        study.tell(trial, state=TrialState.PRUNED)
        found.append(tuple(trial.params.items()))
    return found


def complete(study: optuna.Study, space: Space, score: Score, trials: int) -> list[Any]:
    """Return the first parameter of a number of trials, each of which completes; it has its end's value all along."""
    found = []
    for _ in range(trials):
        trial = ask(study, space)
        for epoch in range(EPOCHS):
            trial.report(score(trial.params), epoch)
        study.tell(trial, score(trial.params))
        found.append(next(iter(trial.params.values())))
    return found


@pytest.mark.parametrize("seed", range(2))
def test_each_of_eight_values_is_tried_once_and_then_the_best_are_repeated(seed: int) -> None:
    def score(params: Mapping[str, Any]) -> float:
        return 1 - abs(float(params["x"]) - 6) / 10

    study = make_study(EIGHT, seed)
    found = complete(study, EIGHT, score, 29)
    assert sorted(found[:8]) == list(range(1, 9))
    assert found[8:].count(6) > 10
    assert not {*found[8:]} & {1, 2, 3}


@pytest.mark.parametrize("seed", range(2))
def test_what_was_stopped_early_and_may_be_the_best_is_tried_again(seed: int) -> None:
    """Six values have completed; of two neighbours of the best one nothing but the first epoch is known."""
    study = make_study(EIGHT, seed)
    for x in range(1, 9):
        stopped = x in (7, 8)
        study.add_trial(
            create_trial(
                params={"x": x},
                distributions=EIGHT.distributions(),
                intermediate_values={epoch: x / 10 * epoch / EPOCHS for epoch in range(1 if stopped else EPOCHS)},
                value=None if stopped else x / 10,
                state=TrialState.PRUNED if stopped else TrialState.COMPLETE,
            )
        )
    found = [ask(study, EIGHT).params["x"] for _ in range(10)]
    assert {7, 8} & {*found}


def test_what_breaks_down_is_not_repeated() -> None:
    study = make_study(EIGHT)
    found = search(study, EIGHT, lambda params: 0.5 if params["x"] == 3 else float("nan"), 12)
    assert found[8:] == [(("x", 3),)] * 4


@pytest.mark.parametrize("failing", [{3}, set(range(1, 9))])
def test_what_failed_is_not_tried_again_while_there_is_another(failing: set[int]) -> None:
    study = make_study(EIGHT)
    found = []
    for _ in range(12):
        trial = ask(study, EIGHT)
        found.append(trial.params["x"])
        if trial.params["x"] in failing:
            study.tell(trial, state=TrialState.FAIL)
            continue
        trial.report(0.5, 0)
        study.tell(trial, state=TrialState.PRUNED)
    assert sorted(found[:8]) == list(range(1, 9))
    assert len(failing) == 8 or not failing & {*found[8:]}


def test_configurations_that_differ_in_what_does_not_exist_are_the_same() -> None:
    found = search(make_study(CONDITIONAL), CONDITIONAL, lambda params: params.get("a.x", 0) / 10, 12)
    assert len(set(found[:6])) == 6
    assert found[6:].count((("kind", "a"), ("a.x", 2), ("batch", 64))) > 2


def test_the_choice_without_parameters_is_tried_once() -> None:
    """Half of all draws are `none`, which is a single configuration."""
    space = Space(kind=Categorical({"none": Space(), "some": Space(rate=Float(0, 1))}))
    found = search(make_study(space), space, lambda params: params.get("some.rate", 0.9), 20)
    assert len(set(found)) == 20


def test_five_choices_of_six_are_never_repeated() -> None:
    study = make_study(MANY)
    assert len({tuple(ask(study, MANY).params.values()) for _ in range(300)}) == 300


def with_running(space: Space, running: int, reported: bool) -> optuna.Study:
    """A study of 20 completed trials and a number of running ones, which have reported an epoch or not."""
    study = make_study(space)
    rng = np.random.default_rng(0)
    encoding = Encoding(space)
    points = encoding.draw(rng.random((20 + running, len(encoding))))
    for number, units in enumerate(points):
        complete = number < 20
        study.add_trial(
            create_trial(
                params=encoding.values(units),
                distributions=space.distributions(),
                intermediate_values=dict.fromkeys(range(EPOCHS if complete else int(reported)), float(rng.random())),
                value=0.5 if complete else None,
                state=TrialState.COMPLETE if complete else TrialState.RUNNING,
            )
        )
    return study


@pytest.mark.parametrize("running", [64, 256])
@pytest.mark.parametrize("reported", [False, True])
def test_many_running_trials_are_not_proposed_again(running: int, reported: bool) -> None:
    space = Space(x=Int(1, 20), y=Int(1, (20 + running) // 10))
    study = with_running(space, running, reported)
    known = {tuple(trial.params.values()) for trial in study.trials}
    found = [tuple(ask(study, space).params.values()) for _ in range(16)]
    assert len({*found} - known) == 16


@pytest.mark.parametrize("completed", [0, 20])
def test_workers_that_ask_before_the_others_have_stored_their_parameters_get_different_trials(completed: int) -> None:
    space = Space(x=Int(1, 10), y=Int(1, 10))
    study = make_study(space)
    search(study, space, lambda params: float(params["x"] * params["y"]), completed)
    trials = [study.ask() for _ in range(32)]
    proposed = [tuple(trial.relative_params.values()) for trial in trials]  # none of which is stored
    known = {tuple(trial.params.values()) for trial in study.trials[:completed]}
    assert len({*proposed} - known) == 32


def test_repeats_are_shared_out_among_workers_that_ask_at_once() -> None:
    study = make_study(EIGHT)
    search(study, EIGHT, lambda params: params["x"] / 10, 8)
    proposed = [trial.relative_params["x"] for trial in [study.ask() for _ in range(12)]]
    assert len({*proposed}) > 2


def test_what_is_enqueued_may_be_a_repeat_and_its_other_parameters_are_new() -> None:
    space = Space(x=Int(1, 3), y=Int(1, 8))
    study = make_study(space)
    for point in [{"x": 2, "y": 2}] * 2 + [{"x": 2}] * 8:
        study.enqueue_trial(point)
    found = [ask(study, space).params for _ in range(10)]
    assert found[:2] == [{"x": 2, "y": 2}] * 2
    assert [params["x"] for params in found] == [2] * 10
    assert len({params["y"] for params in found[1:9]}) == 8
