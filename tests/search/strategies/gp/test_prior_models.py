"""What earlier studies teach, on spaces where the answer is known."""

from __future__ import annotations

import numpy as np

from search.strategies.gp.encoding import Encoding
from search.strategies.gp.prior_models import PriorStudy, cover_greedily, fit_prior_models
from search.strategies.samplers.curves import CurvesSampler
from spaces import Categorical, Float, Int, Space

SPACE = Space(x=Float(0, 1), y=Float(0, 1))


def study(best: tuple[float, float], *, trials: int = 40, seed: int = 0, epochs: int = 6) -> PriorStudy:
    """Accuracy falls with the distance from `best`, and rises over the epochs."""
    random = np.random.default_rng(seed)
    found = []
    for x, y in random.random((trials, 2)):
        top = 1 - (x - best[0]) ** 2 - (y - best[1]) ** 2
        found.append(({"x": x, "y": y}, [top * epoch / epochs for epoch in range(1, random.integers(2, epochs + 1))]))
    return PriorStudy(name=str(seed), trials=found)


def test_greedy_cover() -> None:
    # The third helps both studies a little, the first only one and the second only the other, but more.
    scores = np.array([[2.0, -1.0], [-1.0, 1.9], [1.2, 1.2], [2.0, -1.0]])
    alike = np.eye(4, dtype=bool)
    alike[0, 3] = alike[3, 0] = True
    assert cover_greedily(scores, alike, 2) == [2, 0]
    assert cover_greedily(scores, alike, 5) == [2, 0, 1]
    assert cover_greedily(scores[:2], alike[:2, :2], 5) == [0, 1]


def test_one_study_s_starts_are_not_all_the_same() -> None:
    experience = fit_prior_models(Encoding(SPACE), [study((0.2, 0.8), trials=60)])
    assert experience is not None
    starts = np.array(experience.starts)
    distances = np.linalg.norm(starts[:, None] - starts[None], axis=-1)[np.triu_indices(len(starts), 1)]
    assert len(starts) >= 2
    assert distances.min() >= 0.1 * 2**0.5


def test_starts_lie_where_earlier_studies_were_best() -> None:
    encoding = Encoding(SPACE)
    experience = fit_prior_models(encoding, [study((0.2, 0.8), seed=1), study((0.8, 0.2), seed=2)])
    assert experience is not None
    starts = np.array(experience.starts)
    for best in ([0.2, 0.8], [0.8, 0.2]):
        assert np.linalg.norm(starts - best, axis=1).min() < 0.25
    assert len(starts) == 4
    scores = experience.predict(np.array([[0.2, 0.8], [0.8, 0.2]]))
    assert scores[0, 0] > scores[1, 0] + 1
    assert scores[1, 1] > scores[0, 1] + 1


def test_the_first_start_is_better_than_all_that_was_tried() -> None:
    """In five dimensions no trial of 150 comes near the optimum; the models of all studies together know better."""
    space, names = Space({name: Float(0, 1) for name in "abcde"}), "abcde"

    def bowl(best: float, seed: int) -> PriorStudy:
        points = np.random.default_rng(seed).random((50, 5))
        trials = [(dict(zip(names, map(float, x), strict=True)), [1 - float(((x - best) ** 2).sum())]) for x in points]
        return PriorStudy(name=str(seed), trials=trials)

    studies = [bowl(best, seed) for seed, best in enumerate((0.35, 0.4, 0.45))]
    experience = fit_prior_models(Encoding(space), studies)
    assert experience is not None
    tried = np.array([list(values.values()) for study in studies for values, _ in study.trials])
    found = np.linalg.norm(experience.starts[0] - 0.4)
    assert found < 0.7 * np.linalg.norm(tried - 0.4, axis=1).min()


def test_a_parameter_that_no_study_has_is_left_in_the_middle() -> None:
    experience = fit_prior_models(Encoding(Space(x=Float(0, 1), y=Float(0, 1), new=Float(0, 1))), [study((0.2, 0.8))])
    assert experience is not None
    assert [start[2] for start in experience.starts] == [0.5] * len(experience.starts)


def test_starting_points_are_parameters_of_the_space() -> None:
    space = Space(x=Float(0, 1), depth=Int(1, 4), kind=Categorical({"a": Space(y=Float(0, 1)), "b": Space()}))
    sampler = CurvesSampler(space, 6, 0, [study((0.3, 0.5))])
    assert 1 <= len(sampler.starting_points) <= 4
    for point in sampler.starting_points:
        space.replay(point)
    assert min(abs(point["x"] - 0.3) for point in sampler.starting_points) < 0.15


def test_what_lies_outside_teaches_nothing() -> None:
    encoding = Encoding(SPACE)
    assert fit_prior_models(encoding, []) is None
    assert fit_prior_models(encoding, [study((0.5, 0.5), trials=9)]) is None
    assert fit_prior_models(Encoding(Space(x=Float(2, 3), y=Float(0, 1))), [study((0.5, 0.5))]) is None
    assert fit_prior_models(Encoding(Space(other=Float(0, 1))), [study((0.5, 0.5))]) is None


def test_a_range_that_overlaps_takes_the_trials_inside() -> None:
    """Of 60 trials about half lie below 0.5; the best of those are at the edge that is near the optimum."""
    experience = fit_prior_models(Encoding(Space(x=Float(0, 0.5))), [study((0.9, 0.5), trials=60)])
    assert experience is not None
    assert len(np.unique(experience.models[0].rows.trial_R)) < 45
    assert np.mean([start[0] for start in experience.starts]) > 0.6


def test_the_latest_twelve_studies_count() -> None:
    experience = fit_prior_models(Encoding(SPACE), [study((0.5, 0.5), trials=10, seed=seed) for seed in range(14)])
    assert experience is not None
    assert len(experience.models) == 12
