"""The Gaussian process against its defining formulas in float64, written out once more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from search.strategies.gp import gaussian_process
from search.strategies.gp.evidence import Evidence
from search.strategies.gp.gaussian_process import Kernel

OWNER = np.array([0, 1, 1])  # one number, one choice of two columns
LOGS = np.log([0.4, 0.8, 0.7, 0.3, 0.2, 0.5, 0.05, 0.4, 0.6])


def some_rows(count: int = 14, earlier: bool = True, means: bool = False) -> Evidence:
    random = np.random.default_rng(2)
    x = random.random((count, 1))
    kind = random.integers(2, size=count)
    trial = np.arange(count) // 2
    return Evidence(
        features_RC=np.concatenate([x, 0.7 * (kind[:, None] == np.arange(2))], axis=1),
        time_R=random.random(count),
        trial_R=trial,
        score_R=random.normal(size=count),
        earlier_RK=random.normal(size=(count, 3)) if earlier else None,
        means_R=1.0 + np.arange(count) % 3 if means else None,
    )


def by_definition(rows: Evidence) -> np.ndarray:
    """The covariance, entry by entry."""
    ls, a = np.exp(LOGS[:2])[OWNER], np.exp(LOGS[2:])
    matrix = np.zeros((len(rows), len(rows)))
    for i in range(len(rows)):
        for j in range(len(rows)):
            r = 5**0.5 * np.linalg.norm((rows.features_RC[i] - rows.features_RC[j]) / ls)
            near = np.exp(-((rows.time_R[i] - rows.time_R[j]) ** 2) / (2 * 0.7**2))
            matrix[i, j] = (
                (1 + r + r * r / 3) * np.exp(-r) * (a[0] + a[1] * near + a[6] * rows.time_R[i] * rows.time_R[j])
            )
            # A mean over n trials of a configuration has 1 / n of the variance that one of them has.
            n, m = (1, 1) if rows.means_R is None else (rows.means_R[i], rows.means_R[j])
            matrix[i, j] += a[2] * (rows.trial_R[i] == rows.trial_R[j]) / max(n, m)
            matrix[i, j] += a[3] * rows.time_R[i] * rows.time_R[j]
            if rows.earlier_RK is not None:
                matrix[i, j] += a[5] * rows.earlier_RK[i] @ rows.earlier_RK[j] / rows.earlier_RK.shape[1]
            matrix[i, j] += (i == j) * (a[4] / n + 1e-4)
    return matrix


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("means", [False, True])
def test_the_covariance_is_what_is_written(earlier: bool, means: bool) -> None:
    rows = some_rows(earlier=earlier, means=means)
    found = Kernel(owner_C=OWNER, logs=LOGS).covariance(rows)
    assert found == pytest.approx(by_definition(rows), abs=1e-5)


def test_a_mean_over_repeats_tells_as_much_as_the_repeats_themselves() -> None:
    random = np.random.default_rng(3)
    each, new = random.random((5, 1)), random.random((4, 1))
    kinds = np.full((5, 2), [0.7, 0.0]), np.full((4, 2), [0.7, 0.0])
    scores = random.normal(size=(5, 3))
    single = Evidence(
        features_RC=np.repeat(np.concatenate([each, kinds[0]], axis=1), 3, axis=0),
        time_R=np.ones(15),
        trial_R=np.arange(15),
        score_R=scores.ravel(),
    )
    means = Evidence(
        features_RC=single.features_RC[::3],
        time_R=np.ones(5),
        trial_R=np.arange(5),
        score_R=scores.mean(1),
        means_R=np.full(5, 3.0),
    )
    kernel = Kernel(owner_C=OWNER, logs=LOGS)
    asked = np.concatenate([new, kinds[1]], axis=1)
    repeated, shared = (gaussian_process.condition(kernel, rows).predict_with_spread(asked) for rows in (single, means))
    for one, other in zip(repeated, shared, strict=True):
        assert one == pytest.approx(other, abs=1e-3)
    forgotten = gaussian_process.condition(kernel, replace(means, means_R=None)).predict_with_spread(asked)
    assert (forgotten[1] > shared[1] + 0.01).any()


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("means", [False, True])
def test_likelihood_and_gradient(earlier: bool, means: bool) -> None:
    rows = some_rows(earlier=earlier, means=means)
    squares = np.stack(
        [
            ((rows.features_RC[:, None, p == OWNER] - rows.features_RC[None, :, p == OWNER]) ** 2).sum(-1)
            for p in range(2)
        ]
    )
    value, gradient = gaussian_process._likelihood(LOGS, squares, rows)
    exact = multivariate_normal(np.zeros(len(rows)), by_definition(rows)).logpdf(rows.score_R)
    assert -value - len(rows) / 2 * np.log(2 * np.pi) == pytest.approx(exact)
    for place in range(len(LOGS)):
        step = np.zeros(len(LOGS))
        step[place] = 1e-5
        up, down = (gaussian_process._likelihood(LOGS + sign * step, squares, rows)[0] for sign in (1, -1))
        assert gradient[place] == pytest.approx((up - down) / 2e-5, abs=1e-5)


@pytest.mark.parametrize("earlier", [False, True])
def test_predictions_are_the_conditional_normal(earlier: bool) -> None:
    rows = some_rows(earlier=earlier)
    model = gaussian_process.condition(Kernel(owner_C=OWNER, logs=LOGS), rows)
    new = replace(some_rows(6, earlier), time_R=np.ones(6), trial_R=np.arange(100, 106))
    both = by_definition(rows + new)
    known, across, own = both[:14, :14], both[14:, :14], both[14:, 14:]
    mean = rows.score_R.mean()
    expected = mean + across @ np.linalg.solve(known, rows.score_R - mean)
    variance = np.diag(own - across @ np.linalg.solve(known, across.T)) - np.exp(LOGS[4]) - np.exp(LOGS[6]) - 1e-4
    found, spread = model.predict_with_spread(new.features_RC, new.earlier_RK)
    assert found == pytest.approx(expected, abs=1e-3)
    assert spread == pytest.approx(np.sqrt(variance), abs=1e-3)
    assert model.predict(new.features_RC, new.earlier_RK) == pytest.approx(found)
    normal = multivariate_normal(np.zeros(14), known).logpdf(rows.score_R - mean)
    assert model.log_evidence - 7 * np.log(2 * np.pi) == pytest.approx(normal, abs=1e-2)


def test_the_fit_finds_which_parameter_matters() -> None:
    random = np.random.default_rng(1)
    features = random.random((80, 2))
    rows = Evidence(
        features_RC=features,
        time_R=np.ones(80),
        trial_R=np.arange(80),
        score_R=np.sin(6 * features[:, 0]) + 0.05 * random.normal(size=80),
    )
    fitted = gaussian_process.fit_kernel(gaussian_process.prior_kernel(np.array([0, 1])), rows, iterations=30)
    scales = np.exp(fitted.logs[:2])
    assert scales[1] > 3 * scales[0]
    model = gaussian_process.condition(fitted, rows)
    assert model.predict(np.array([[0.26, 0.1], [0.78, 0.9]])) == pytest.approx([1, -1], abs=0.15)


def test_an_unfinished_curve_speaks_for_the_last_epoch() -> None:
    """Early values rank configurations; the model has seen none of these trained to the end."""
    features = np.linspace(0, 1, 20)[:, None]
    rows = Evidence(features_RC=features, time_R=np.zeros(20), trial_R=np.arange(20), score_R=1 - 2 * features[:, 0])
    model = gaussian_process.condition(
        gaussian_process.fit_kernel(gaussian_process.prior_kernel(np.array([0])), rows, iterations=20), rows
    )
    better, worse = model.predict(np.array([[0.1], [0.9]]))
    assert better > worse + 0.5
