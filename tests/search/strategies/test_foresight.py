"""What a plan comes to, as foreseen for each pruner, against hand-computed numbers and the pruners themselves."""

from __future__ import annotations

import math
import random
import statistics

import optuna
import pytest
from optuna.trial import TrialState

from search.strategies.foresight import Foresight, expect_trials, foresee_none, foresee_rungs, foresee_shares
from search.strategies.policy import build_strategies
from search.strategies.registry import PRUNERS, StrategySetting
from spaces import Float, Space

SPACE = Space({"x": Float(0.0, 1.0)})


def test_without_stopping_all_is_trained() -> None:
    assert foresee_none(30, 20) == Foresight(full_trainings=30, complete=30)


def test_the_best_share_of_those_that_came_before_continues() -> None:
    found = foresee_shares(6, 4, {2: 1 / 3})
    # The first three of six are the best so far with probability 1, 1/2 and 1/3, the others among a third.
    assert found.complete == pytest.approx(1 + 1 / 2 + 1 / 3 + 3 / 3, abs=0.02)
    assert found.full_trainings == pytest.approx((6 * 2 + found.complete * 2) / 4)


def test_past_two_thirds_no_trial_is_stopped() -> None:
    assert foresee_shares(9, 6, {5: 1 / 3}) == Foresight(full_trainings=9, complete=9)


def test_a_floor_completes() -> None:
    assert foresee_shares(50, 9, {1: 0.01}, fewest=5).complete == 5
    assert foresee_shares(2, 9, {1: 0.01}, fewest=5).complete == 2


@pytest.mark.parametrize("name", PRUNERS)
def test_more_trials_come_to_more_and_no_more_complete_than_there_are(name: str) -> None:
    foresee = PRUNERS[name].foresee
    for epochs in (1, 2, 5, 20, 200):
        plans = [foresee(trials, epochs) for trials in (1, 2, 5, 10, 30, 100, 1000)]
        for trials, plan in zip((1, 2, 5, 10, 30, 100, 1000), plans, strict=True):
            assert 0.9 <= plan.complete <= trials + 0.01
            assert plan.complete - 0.01 <= plan.full_trainings <= trials + 0.01
        amounts = [plan.full_trainings for plan in plans]
        assert amounts == sorted(amounts)
    assert foresee(7, 1) == Foresight(full_trainings=7, complete=7)


@pytest.mark.parametrize("name", PRUNERS)
def test_as_many_trials_are_expected_as_train_the_epochs(name: str) -> None:
    foresee = PRUNERS[name].foresee
    for budget in (1, 30, 400, 5000):
        trials = expect_trials(foresee, None, budget, 20)
        assert foresee(trials, 20).full_trainings * 20 >= budget
        assert trials == 1 or foresee(trials - 1, 20).full_trainings * 20 < budget
        assert expect_trials(foresee, 3, budget, 20) == min(3, trials)
    assert expect_trials(foresee, 7, None, 20) == 7
    assert expect_trials(foresee_none, None, 50, 20) == 3


def train_plan(name: str, trials: int, epochs: int, seed: int) -> Foresight:
    """Search with the pruner, by curves that rise to a value of their own at a pace of their own."""
    chance = random.Random(seed)
    setting = StrategySetting(space=SPACE, epochs=epochs, seed=seed, trials=trials)
    sampler, pruner = build_strategies("random", name, setting, audit=0.0)
    # By the name of the study Hyperband divides the trials among its brackets.
    made = optuna.create_study(study_name=f"plan-{seed}", direction="maximize", sampler=sampler, pruner=pruner)
    trained = complete = 0
    for _ in range(trials):
        trial = made.ask()
        trial.suggest_float("x", 0, 1)
        value, pace = 0.9 - 0.5 * chance.random() ** 2, epochs * chance.choice((0.05, 0.1, 0.3))
        state = TrialState.COMPLETE
        for epoch in range(epochs):
            trial.report(value * (1 - 0.9 * math.exp(-(epoch + 1) / pace)) + chance.gauss(0, 0.005), epoch)
            trained += 1
            if epoch + 1 < epochs and trial.should_prune():
                state = TrialState.PRUNED
                break
        made.tell(trial, value if state == TrialState.COMPLETE else None, state=state)
        complete += state == TrialState.COMPLETE
    return Foresight(full_trainings=trained / epochs, complete=complete)


@pytest.mark.parametrize("name", PRUNERS)
def test_a_plan_comes_to_about_what_was_foreseen(name: str) -> None:
    foreseen, done = PRUNERS[name].foresee(30, 20), [train_plan(name, 30, 20, seed) for seed in range(4)]
    assert foreseen.full_trainings == pytest.approx(statistics.mean(one.full_trainings for one in done), rel=0.4)
    assert foreseen.complete == pytest.approx(statistics.mean(one.complete for one in done), rel=0.4, abs=2)


def test_halving_leaves_a_third_at_each_rung() -> None:
    found = foresee_rungs(27000, 9)  # rungs after two and four epochs
    assert found.complete == pytest.approx(27000 / 9, rel=0.01)
    assert found.full_trainings == pytest.approx((27000 * 2 + 9000 * 2 + 3000 * 5) / 9, rel=0.01)
