"""What the default sampler proposes, on problems whose answer is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
import pytest

from search.strategies.gp.encoding import Array
from search.strategies.gp.prior_models import PriorStudy
from search.strategies.samplers.acquisition import Proposer, expected_improvement
from search.strategies.samplers.curves import CurvesSampler
from spaces import Categorical, Configuration, Fixed, Float, Int, Space
from tests.search.strategies.gp.test_prior_models import study as earlier

EPOCHS = 4
FLAT = Space(x=Float(0, 1), y=Float(0, 1), z=Float(0, 1))
CONDITIONAL = Space(
    width=Int(16, 512, log=True),
    optimizer=Categorical(
        {
            "sgd": Space(rate=Float(1e-3, 1.0, log=True), momentum=Float(0.0, 1.0)),
            "adam": Space(rate=Float(1e-5, 1e-2, log=True)),
            "other": Space(rate=Float(1e-5, 1e-2, log=True)),
        }
    ),
)

Curve = Callable[[Mapping[str, Any]], list[float]]


def searched(space: Space, curve: Curve, trials: int, sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    """A study whose trials are told whole curves; every other one is stopped after its first epoch."""
    made = optuna.create_study(direction="maximize", sampler=sampler)
    for number in range(trials):
        trial = made.ask()
        space.sample(trial)
        values = curve(trial.params)
        values = values if number % 2 == 0 else values[:1]
        for epoch, value in enumerate(values):
            trial.report(value, epoch)
        state = None if len(values) == EPOCHS else optuna.trial.TrialState.PRUNED
        made.tell(trial, values[-1] if state is None else None, state=state)
    return made


def rising(top: float) -> list[float]:
    return [top - 0.3 * 0.5**epoch for epoch in range(EPOCHS)]


def bowl(params: Mapping[str, Any]) -> list[float]:
    return rising(1 - sum((params[name] - 0.7) ** 2 for name in "xyz"))


def test_expected_improvement_of_known_cases() -> None:
    # At the best itself it is spread * phi(0); far above, the difference; far below, nothing.
    found = expected_improvement(np.array([1.0, 11.0, -9.0]), np.array([0.5, 0.5, 0.5]), 1.0)
    assert found == pytest.approx([0.5 * 0.398942, 10.0, 0.0], abs=1e-6)


def test_it_climbs_from_its_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """In five dimensions no candidate is near what the model thinks the best place; three rounds lead there."""
    space = Space({name: Float(0, 1) for name in "abcde"})
    target_P, judged = np.array([0.9, 0.1, 0.8, 0.2, 0.6]), []

    def judge(units_NP: Array) -> Array:
        judged.append(-np.linalg.norm(units_NP - target_P, axis=1))
        return judged[-1]

    made = searched(space, lambda params: rising(params["a"]), 10, CurvesSampler(space, EPOCHS, 0))
    monkeypatch.setattr(Proposer, "_draw_judge", lambda *_: judge)
    while not judged:  # until a proposal is the model's
        trial = made.ask(space.distributions())
    found = np.array([trial.params[name] for name in "abcde"])
    assert np.linalg.norm(found - target_P) == pytest.approx(-judged[-1].max())
    assert judged[-1].max() > 0.6 * judged[0].max()


def test_it_finds_the_bottom_of_a_bowl_sooner_than_chance() -> None:
    def best(sampler: optuna.samplers.BaseSampler) -> float:
        return max(bowl(trial.params)[-1] for trial in searched(FLAT, bowl, 30, sampler).trials)

    found = [best(CurvesSampler(FLAT, EPOCHS, seed)) for seed in range(3)]
    drawn = [best(optuna.samplers.RandomSampler(seed=seed)) for seed in range(3)]
    top = bowl(dict.fromkeys("xyz", 0.7))[-1]
    assert min(found) > top - 0.002  # by ranks alone it ends 0.006 below
    assert np.mean(found) > np.mean(drawn) + 0.02


@pytest.mark.parametrize("seed", range(3))
def test_a_parameter_that_exists_only_under_one_choice_is_modelled(seed: int) -> None:
    """Nothing matters but SGD's momentum, which a third of the space has."""

    def curve(params: Mapping[str, Any]) -> list[float]:
        return rising(0.5 if "sgd.momentum" not in params else 0.9 - (params["sgd.momentum"] - 0.8) ** 2)

    made = searched(CONDITIONAL, curve, 40, CurvesSampler(CONDITIONAL, EPOCHS, seed))
    late = [trial.params for trial in made.trials[20:]]
    under_sgd = [params["sgd.momentum"] for params in late if params["optimizer"] == "sgd"]
    assert len(under_sgd) > len(late) / 2
    assert np.median(np.abs(np.array(under_sgd) - 0.8)) < 0.15
    assert made.best_value > rising(0.895)[-1]


def test_ranges_of_their_own_are_searched_apart() -> None:
    """SGD's best learning rate lies where Adam's range does not reach; Adam is a little better."""

    def curve(params: Mapping[str, Any]) -> list[float]:
        at = {"sgd": 0.1, "adam": 1e-3, "other": 1e-4}[params["optimizer"]]
        off = np.log10(params[f"{params['optimizer']}.rate"] / at)
        return rising(0.9 + 0.02 * (params["optimizer"] == "adam") - 0.1 * off**2)

    made = searched(CONDITIONAL, curve, 50, CurvesSampler(CONDITIONAL, EPOCHS, 1))
    assert made.best_params["optimizer"] == "adam"
    assert made.best_value > rising(0.91)[-1]


def test_it_does_not_matter_which_worker_asks() -> None:
    def proposals(workers: int) -> list[dict[str, Any]]:
        made = searched(FLAT, bowl, 12, CurvesSampler(FLAT, EPOCHS, 3))
        asking = [CurvesSampler(FLAT, EPOCHS, 3) for _ in range(workers)]
        found = []
        for number in range(8):
            made.sampler = asking[number % workers]
            trial = made.ask()
            FLAT.sample(trial)
            trial.report(bowl(trial.params)[0], 0)
            made.tell(trial, state=optuna.trial.TrialState.PRUNED)
            found.append(trial.params)
        return found

    assert proposals(1) == proposals(3)


def test_workers_that_ask_at_once_get_different_trials() -> None:
    made = searched(FLAT, bowl, 20, CurvesSampler(FLAT, EPOCHS, 3))
    points = []
    for _ in range(8):
        trial = made.ask()
        FLAT.sample(trial)
        points.append(list(trial.params.values()))
    distances = np.linalg.norm(np.array(points)[:, None] - np.array(points)[None], axis=-1)
    assert distances[np.triu_indices(8, 1)].min() > 1e-3
    assert np.median(distances[np.triu_indices(8, 1)]) > 0.01


def test_what_is_fixed_stays_and_the_rest_fits_it() -> None:
    made = searched(FLAT, bowl, 20, CurvesSampler(FLAT, EPOCHS, 3))
    made.enqueue_trial({"x": 0.123})
    trial = made.ask()
    FLAT.sample(trial)
    assert trial.params["x"] == 0.123
    begun = made.ask()
    begun.suggest_float("x", 0, 1)
    again = optuna.trial.Trial(made, begun._trial_id)
    whole = FLAT.sample(again)
    made.sampler = CurvesSampler(FLAT, EPOCHS, 3)
    assert FLAT.sample(optuna.trial.Trial(made, begun._trial_id)) == whole


def test_what_is_left_open_is_chosen_for_what_is_fixed() -> None:
    """The best x is 0.8, and the best y is wherever x is."""

    def curve(params: Mapping[str, Any]) -> list[float]:
        return rising(1 - (params["x"] - params["y"]) ** 2 - 0.3 * (params["x"] - 0.8) ** 2)

    made = searched(FLAT, curve, 40, CurvesSampler(FLAT, EPOCHS, 0))
    chosen = []
    for _ in range(9):
        made.enqueue_trial({"x": 0.1})
        trial = made.ask()
        FLAT.sample(trial)
        chosen.append(trial.params["y"])
    assert np.median(chosen) < 0.4


def test_a_small_space_is_searched_to_its_end_and_beyond() -> None:
    space = Space(a=Categorical("u", "v"), b=Int(1, 2))
    made = searched(space, lambda params: rising(params["b"] / 2), 15, CurvesSampler(space, EPOCHS, 0))
    assert len({tuple(trial.params.items()) for trial in made.trials[:8]}) == 4


def test_a_space_without_parameters() -> None:
    space = Space(width=Fixed(3))
    sampler = CurvesSampler(space, EPOCHS, 0, [earlier((0.5, 0.5))])
    made = optuna.create_study(direction="maximize", sampler=sampler)
    assert space.sample(made.ask()) == Configuration({"width": 3})
    assert sampler.starting_points == []


def with_experience(studies: list[PriorStudy], seed: int, trials: int) -> float:
    space = Space(x=Float(0, 1), y=Float(0, 1))

    def curve(params: Mapping[str, Any]) -> list[float]:
        return [1 - (params["x"] - 0.83) ** 2 - (params["y"] - 0.17) ** 2]

    sampler = CurvesSampler(space, EPOCHS, seed, studies)
    made = optuna.create_study(direction="maximize", sampler=sampler)
    for point in sampler.starting_points:
        made.enqueue_trial(point)
    for _ in range(trials):
        trial = made.ask()
        space.sample(trial)
        made.tell(trial, curve(trial.params)[-1])
    return made.best_value


def test_experience_helps_at_once_and_a_wrong_one_is_overcome() -> None:
    right = [earlier((0.8, 0.2), seed=1), earlier((0.85, 0.15), seed=2)]
    wrong = [earlier((0.1, 0.9), seed=1), earlier((0.05, 0.95), seed=2)]
    seeds = range(4)
    assert np.mean([with_experience(right, seed, 4) for seed in seeds]) > 0.99
    assert np.mean([with_experience([], seed, 4) for seed in seeds]) < 0.98
    assert min(with_experience(wrong, seed, 30) for seed in seeds) > 0.98
