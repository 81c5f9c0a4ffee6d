"""A Gaussian process over configuration and epoch, which learns from unfinished curves as well as from complete ones.

The covariance of the score of trial i with features x at time t and that of trial i' with features x' at time t' is

    k(x, x') (a_0 + a_1 exp(-(t - t')^2 / 2 l^2) + a_6 t t') + a_2 [i = i'] + a_3 t t' + a_5 f(x) . f(x') / K
        + a_4 [same row]

where k is a Matern-5/2 kernel with one length scale per parameter and f(x) is the vector of the predictions of K
earlier studies. The variances are of an effect common to all epochs (a_0), of one common to neighbouring epochs
(a_1), of a trial's own deviation by its seed and data order (a_2), of a common slope in time (a_3), of the observation
noise (a_4), of the weights of the earlier studies' predictions (a_5) and of a configuration's own slope in time (a_6),
by which one that rises slowly, but keeps rising, is expected to pass others. After Rasmussen and Williams 2006,
chapters 2 and 5; freeze-thaw (Swersky et al. 2014) and DyHPO (Wistuba et al. 2022) use kernels of this kind. Kernel
parameters are maximum a posteriori estimates under log-normal priors.

Shapes: R rows, N candidates, C columns of features, P parameters, K earlier studies.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.optimize import minimize

from search.strategies.gp.encoding import Array
from search.strategies.gp.evidence import Evidence

TIME_SCALE = 0.7
JITTER = 1e-4
# Medians of the priors of a_0 to a_6, and the standard deviations of their logarithms.
# Their a_0, a_1 and a_6 correlate the first and the last epoch by 0.6. With 0.8 slow starters were stopped before one
# had been seen to end, and the search kept to the first hill that it had found.
AMPLITUDES = (0.4, 0.3, 0.05, 0.5, 0.03, 0.3, 0.3)
AMPLITUDE_SPREAD = (0.7, 0.7, 1.0, 1.0, 1.0, 1.0, 1.0)
AMPLITUDE_BOUNDS = ((-6, 2), (-6, 2), (-6, 2), (-6, 2), (-7, 1), (-6, 2), (-6, 2))
LENGTH_BOUNDS = (-2.5, 3.0)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """The covariance function; `logs` are the logarithms of P length scales, then of a_0 to a_6."""

    owner_C: NDArray[np.int64]
    """The index of the parameter that each column of features belongs to."""
    logs: Array

    @property
    def parameters(self) -> int:
        """Number of parameters, P."""
        return int(self.owner_C.max()) + 1

    @property
    def scales_C(self) -> NDArray[np.float32]:
        """Length scale of each column."""
        return np.exp(self.logs[: self.parameters])[self.owner_C].astype(np.float32)

    @property
    def amplitudes(self) -> Array:
        """The variances a_0 to a_6."""
        return np.asarray(np.exp(self.logs[self.parameters :]), dtype=np.float64)

    def matern(self, left_NC: Array, right_RC: Array) -> NDArray[np.float32]:
        """Return k(x, x'), shape (N, R)."""
        left, right = left_NC.astype(np.float32) / self.scales_C, right_RC.astype(np.float32) / self.scales_C
        squared = (left * left).sum(1)[:, None] + (right * right).sum(1)[None] - 2 * left @ right.T
        distance = np.sqrt(np.float32(5) * np.maximum(squared, 0))
        return np.asarray((1 + distance + distance * distance / 3) * np.exp(-distance), dtype=np.float32)

    def covariance(self, rows: Evidence) -> Array:
        """Return the covariance matrix of the rows, noise included, shape (R, R)."""
        a = self.amplitudes
        near = _near(rows.time_R[:, None] - rows.time_R[None])
        rising = np.outer(rows.time_R, rows.time_R)
        matrix = self.matern(rows.features_RC, rows.features_RC) * (a[0] + a[1] * near + a[6] * rising)
        matrix += a[3] * rising + a[2] * rows.own_RR
        if rows.earlier_RK is not None:
            matrix += a[5] * _agreement(rows.earlier_RK, rows.earlier_RK)
        matrix[np.diag_indices_from(matrix)] += a[4] * rows.noise_R + JITTER
        return np.asarray(matrix, dtype=np.float64)


def prior_kernel(owner_C: NDArray[np.int64]) -> Kernel:
    """Return the medians of the prior.

    Length scales grow with the square root of the number of parameters, as distances between random points do.
    """
    parameters = int(owner_C.max()) + 1
    scale = 0.5 * np.sqrt(max(1.0, parameters / 4))
    return Kernel(owner_C=owner_C, logs=np.log([*([scale] * parameters), *AMPLITUDES]))


def fit_kernel(start: Kernel, rows: Evidence, iterations: int) -> Kernel:
    """Return the maximum a posteriori parameters given these rows.

    start: the median of the prior, where the optimization begins. iterations: at most, of L-BFGS-B.
    """
    p = start.parameters
    spread = np.array([*([1.0] * p), *AMPLITUDE_SPREAD])
    columns = [rows.features_RC[:, start.owner_C == place] for place in range(p)]
    squares = np.stack([((c[:, None] - c[None]) ** 2).sum(-1) for c in columns])
    centred = replace(rows, score_R=rows.score_R - rows.score_R.mean())

    def loss(logs: Array) -> tuple[float, Array]:
        value, gradient = _likelihood(logs, squares, centred)
        z = (logs - start.logs) / spread
        return value + 0.5 * float(z @ z), gradient + z / spread

    found = minimize(
        loss,
        start.logs,
        jac=True,
        method="L-BFGS-B",
        bounds=[LENGTH_BOUNDS] * p + list(AMPLITUDE_BOUNDS),
        options={"maxiter": iterations},
    )
    return replace(start, logs=found.x)


def _likelihood(logs: Array, squares_PRR: Array, rows: Evidence) -> tuple[float, Array]:
    """Return the negative log marginal likelihood and its gradient with respect to `logs`.

    Rasmussen and Williams 2006, eq. 5.9.
    """
    p = len(squares_PRR)
    scaled = squares_PRR / np.exp(2 * logs[:p])[:, None, None]
    a = np.exp(logs[p:])
    r2 = 5 * scaled.sum(0)
    r = np.sqrt(r2)
    decay = np.exp(-r)
    matern = (1 + r + r2 / 3) * decay
    near = _near(rows.time_R[:, None] - rows.time_R[None])
    rising = np.outer(rows.time_R, rows.time_R)
    amplitude = a[0] + a[1] * near + a[6] * rising
    same, noise_R = rows.own_RR, rows.noise_R
    covariance = matern * amplitude + a[2] * same + a[3] * rising + np.diag(a[4] * noise_R + JITTER)
    agreement = None if rows.earlier_RK is None else _agreement(rows.earlier_RK, rows.earlier_RK)
    if agreement is not None:
        covariance += a[5] * agreement
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(logs)
    half = linalg.lapack.dpotri(lower, lower=1)[0]
    inverse = np.tril(half) + np.tril(half, -1).T
    weights = inverse @ rows.score_R
    outer = inverse - np.outer(weights, weights)
    value = 0.5 * float(rows.score_R @ weights) + float(np.log(np.diag(lower)).sum())
    lengths = np.tensordot(scaled, outer * amplitude * (5 / 3) * (1 + r) * decay, 2)
    shared = outer * matern
    parts = [
        a[0] * shared.sum(),
        a[1] * (shared * near).sum(),
        a[2] * (outer * same).sum(),
        a[3] * (outer * rising).sum(),
        a[4] * np.trace(outer * noise_R),
        0.0 if agreement is None else a[5] * (outer * agreement).sum(),
        a[6] * (shared * rising).sum(),
    ]
    return value, 0.5 * np.concatenate([lengths, parts])


@dataclass(frozen=True, kw_only=True)
class Model:
    """The posterior process; it predicts the scores of new trials at their last epoch."""

    kernel: Kernel
    rows: Evidence
    mean: float
    lower_RR: Array = field(repr=False)
    weights_R: Array = field(repr=False)

    @property
    def log_evidence(self) -> float:
        """Log marginal likelihood of the rows, up to a constant."""
        residual = self.rows.score_R - self.mean
        return float(-0.5 * residual @ self.weights_R - np.log(np.diag(self.lower_RR)).sum())

    def predict(self, features_NC: Array, earlier_NK: Array | None = None) -> Array:
        """Return the expected scores at the last epoch, shape (N,)."""
        return np.asarray(self.mean + self._across(features_NC, earlier_NK) @ self.weights_R, dtype=np.float64)

    def predict_with_spread(self, features_NC: Array, earlier_NK: Array | None = None) -> tuple[Array, Array]:
        """Return means and standard deviations at the last epoch, shape (N,) each.

        A trial's own deviation (a_2) and the noise (a_4) are not part of the standard deviation.
        """
        a, across = self.kernel.amplitudes, self._across(features_NC, earlier_NK)
        before = a[0] + a[1] + a[3] + a[6] + (0.0 if earlier_NK is None else a[5] * (earlier_NK * earlier_NK).mean(1))
        return self._describe(across, before)

    def predict_trials(self, features_NC: Array, trial_N: NDArray[np.int64]) -> tuple[Array, Array]:
        """Return means and standard deviations of the scores of trials at their last epoch, shape (N,) each.

        trial_N: the trials as `rows` numbers them: a trial's own rows tell of its own deviation (a_2), too. The model
        must not build on earlier studies.
        """
        a, own = self.kernel.amplitudes, trial_N[:, None] == self.rows.trial_R[None]
        across = self._across(features_NC, None) + (a[2] * own * self.rows.noise_R).astype(np.float32)
        return self._describe(across, a[:4].sum() + a[6])

    def _describe(self, across_NR: NDArray[np.float32], before: Any) -> tuple[Array, Array]:
        """Return means and standard deviations given covariances with the rows, and variances before these."""
        solved = linalg.solve_triangular(self.lower_RR.astype(np.float32), across_NR.T, lower=True, check_finite=False)
        variance = np.maximum(before - (solved * solved).sum(0), 1e-6)
        return self.mean + across_NR @ self.weights_R, np.sqrt(variance)

    def _across(self, features_NC: Array, earlier_NK: Array | None) -> NDArray[np.float32]:
        a, time_R = self.kernel.amplitudes, self.rows.time_R
        by_time = (a[0] + a[1] * _near(1 - time_R) + a[6] * time_R).astype(np.float32)
        across = self.kernel.matern(features_NC, self.rows.features_RC) * by_time
        across = across + (a[3] * time_R).astype(np.float32)
        if earlier_NK is not None and self.rows.earlier_RK is not None:
            across = across + (a[5] * _agreement(earlier_NK, self.rows.earlier_RK)).astype(np.float32)
        return np.asarray(across, dtype=np.float32)


def condition(kernel: Kernel, rows: Evidence) -> Model:
    """Return the posterior of the process given these rows."""
    lower = linalg.cholesky(kernel.covariance(rows), lower=True, check_finite=False)
    mean = float(rows.score_R.mean())
    weights = linalg.cho_solve((lower, True), rows.score_R - mean, check_finite=False)
    return Model(kernel=kernel, rows=rows, mean=mean, lower_RR=lower, weights_R=weights)


def _near(difference: Any) -> Array:
    return np.asarray(np.exp(-(difference**2) / (2 * TIME_SCALE**2)), dtype=np.float64)


def _agreement(left_NK: Array, right_RK: Array) -> Array:
    return np.asarray(left_NK @ right_RK.T / left_NK.shape[1], dtype=np.float64)
