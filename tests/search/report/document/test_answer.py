"""The answer and its selection optimism, against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import pytest
from optuna.trial import TrialState

from search.evaluation.confirmation import estimate_optimism as measure_optimism
from search.evaluation.results.confirmation import Confirmation
from search.report.document.content.answer import build_answer
from search.report.document.content.optimism import count_examples, estimate_optimism, measure_sampling
from search.report.document.content.study_report import build_report
from search.report.document.wording.answer import describe_answer, explain_estimate
from search.report.document.wording.blocks import Text
from tests.search.report.document.made import make_facts, make_score, make_spec
from tests.search.report.plots.made import make_trial


def test_the_luck_of_the_best_of_two_is_that_of_two_normals() -> None:
    deviation, apart = 0.02, 0.03
    assert estimate_optimism([0.9, 0.9], [deviation] * 2) == pytest.approx(deviation / math.sqrt(math.pi), rel=1e-6)
    expected = math.sqrt(2) * deviation * NormalDist().pdf(apart / (math.sqrt(2) * deviation))
    assert estimate_optimism([0.9, 0.9 - apart], [deviation] * 2) == pytest.approx(expected, rel=1e-6)


def test_of_one_value_or_of_values_without_noise_none_is_luck() -> None:
    assert estimate_optimism([0.9], [0.02]) == 0.0
    assert estimate_optimism([0.9, 0.8], [0.0, 0.0]) == 0.0
    assert estimate_optimism([0.9, 0.1], [0.01, 0.01]) == pytest.approx(0.0, abs=1e-9)


def test_the_best_of_many_equal_values_owes_more_to_luck() -> None:
    # The mean of the highest of 10 standard normals is 1.53875 (Harter 1961).
    assert estimate_optimism([0.5] * 10, [0.01] * 10) == pytest.approx(0.0153875, rel=1e-4)


def test_the_number_of_images_is_the_one_of_which_accuracies_are_shares() -> None:
    assert count_examples([1 / 2, 3 / 4, 1 / 3]) == 12
    assert count_examples([k / 359 for k in (300, 311, 359)]) == 359
    assert count_examples([0.123456789123]) is None
    assert count_examples([1.0]) is None


def test_an_estimate_is_the_best_value_less_its_luck() -> None:
    # (90 + 2) / 104 = 0.884615, whose deviation on 100 images is 0.031948; over the square root of pi: 0.018025.
    assert measure_sampling(0.9, 100) == pytest.approx(0.031948, abs=1e-6)
    trials = [make_trial(0, (0.41, 0.9)), make_trial(1, (0.5, 0.9)), make_trial(2, (0.95,), TrialState.PRUNED)]
    answer = build_answer(make_facts(*trials))
    estimate = answer.estimate
    assert estimate is not None
    assert [each.trial for each in answer.best] == [0, 1]
    assert (estimate.method, estimate.examples, estimate.candidates) == ("binomial", 100, 2)
    assert estimate.optimism == pytest.approx(0.018025, abs=1e-6)
    assert estimate.value == pytest.approx(0.9 - 0.018025, abs=1e-6)
    assert estimate.interval_95 is not None
    assert estimate.interval_95[0] < estimate.value < estimate.interval_95[1]


def test_repeats_tell_the_noise_of_seeds() -> None:
    """Two configurations of two seeds, each 0.02 apart: the variance is 0.0002, of a mean of two 0.0001."""
    trials = [make_trial(number, (value,)) for number, value in enumerate((0.90, 0.92, 0.90, 0.92))]
    for trial in trials:
        trial.user_attrs = {"configuration": trial.number // 2 * 2, "repeat": trial.number % 2, "repeats": 2}
    estimate = build_answer(make_facts(*trials, spec=make_spec(repeats=2))).estimate
    assert estimate is not None
    assert (estimate.method, estimate.candidates, estimate.best_value) == ("repeats", 2, pytest.approx(0.91))
    assert estimate.optimism == pytest.approx(0.01 / math.sqrt(math.pi), rel=1e-6)


def test_a_measured_optimism_takes_the_place_of_an_estimated_one() -> None:
    measured = measure_optimism(0.9, [0.86, 0.88, 0.87], 0.001)
    confirmation = Confirmation(asked=2, seeds=1, candidates=(), chosen=1, optimism=measured)
    facts = make_facts(make_trial(0, (0.9,)), make_trial(1, (0.89,)), confirmation=confirmation)
    estimate = build_answer(facts).estimate
    assert estimate is not None
    assert (estimate.method, estimate.trial) == ("fresh seeds", 1)
    assert (estimate.optimism, estimate.value) == (pytest.approx(0.03), pytest.approx(0.87))
    low, high = estimate.interval_95 or (0.0, 0.0)
    assert (low + high) / 2 == pytest.approx(0.87)
    assert "was measured: trial 1" in explain_estimate(estimate)


def test_what_is_not_known_is_said() -> None:
    assert build_answer(make_facts(make_trial(0, (0.9,), TrialState.PRUNED))).estimate is None
    metric = build_answer(make_facts(make_trial(0, (0.123456789123,)), make_trial(1, (0.1,)))).estimate
    assert metric is not None
    assert (metric.method, metric.value) == (None, None)
    assert "cannot be estimated" in explain_estimate(metric)
    alone = build_answer(make_facts(make_trial(0, (0.9,)))).estimate
    assert alone is not None
    assert "nothing was chosen" in explain_estimate(alone)


def test_the_test_score_is_that_of_the_ledger() -> None:
    facts = make_facts(make_trial(0, (0.9,)), final=make_score())
    assert build_answer(facts).test == make_score()
    told = replace(
        facts, status=replace(facts.status, final=make_score(class_accuracy={"a": 0.9, "b": 0.5, "c": None}))
    )
    blocks = describe_answer(build_report(told, lambda text: True)).blocks
    texts = [block.text for block in blocks if isinstance(block, Text)]
    assert "The lowest test accuracy of a class is 0.5000 (class b)." in texts
    assert "The test set has no image of c." in texts
    assert build_answer(replace(facts, status=replace(facts.status, final=None))).test is None
