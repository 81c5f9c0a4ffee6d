"""A Gaussian process over configuration and epoch, which learns from unfinished curves as well as from whole ones.

The covariance of trial i with features x at time t, and i' with x' at t':

    k(x, x') (a_0 + a_1 exp(-(t - t')^2 / 2 l^2)) + a_2 [i = i'] + a_3 t t' + a_5 f(x) f(x') / K + a_4 [same row]

k is Matern-5/2 with one length scale a parameter; a_0 is what all epochs share, a_1 what neighbouring epochs do,
a_2 is a trial's own luck (seed, data order), a_3 that all curves rise alike, a_5 how far K earlier studies f speak
for this one. After Rasmussen and Williams 2006, chapters 2 and 5; freeze-thaw (Swersky et al. 2014) and DyHPO
(Wistuba et al. 2022) are of this kind. Parameters are the maximum a posteriori under log-normal priors.

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

TIME_SCALE = 0.7
JITTER = 1e-4
# The prior's medians of a_0 to a_5, and the standard deviations of their logarithms.
AMPLITUDES = (0.7, 0.3, 0.05, 0.5, 0.03, 0.3)
AMPLITUDE_SPREAD = (0.7, 0.7, 1.0, 1.0, 1.0, 1.0)
AMPLITUDE_BOUNDS = ((-6, 2), (-6, 2), (-6, 2), (-6, 2), (-7, 1), (-6, 2))
LENGTH_BOUNDS = (-2.5, 3.0)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """R rows to learn from."""

    features_RC: Array
    time_R: Array
    trial_R: NDArray[np.int64]
    score_R: Array
    earlier_RK: Array | None = None
    """What the models of K earlier studies predict for each row's configuration; None without any."""

    def __len__(self) -> int:
        return len(self.score_R)

    def take(self, places: NDArray[np.int64]) -> Evidence:
        """Some of the rows."""
        return Evidence(
            features_RC=self.features_RC[places],
            time_R=self.time_R[places],
            trial_R=self.trial_R[places],
            score_R=self.score_R[places],
            earlier_RK=None if self.earlier_RK is None else self.earlier_RK[places],
        )

    def __add__(self, other: Evidence) -> Evidence:
        both = self.earlier_RK is not None and other.earlier_RK is not None
        return Evidence(
            features_RC=np.concatenate([self.features_RC, other.features_RC]),
            time_R=np.concatenate([self.time_R, other.time_R]),
            trial_R=np.concatenate([self.trial_R, other.trial_R]),
            score_R=np.concatenate([self.score_R, other.score_R]),
            earlier_RK=np.concatenate([self.earlier_RK, other.earlier_RK]) if both else None,
        )


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """The covariance's parameters, as logarithms: P length scales, then a_0 to a_5."""

    owner_C: NDArray[np.int64]
    """The parameter that each column of features belongs to."""
    logs: Array

    @property
    def parameters(self) -> int:
        """P."""
        return int(self.owner_C.max()) + 1

    @property
    def scales_C(self) -> NDArray[np.float32]:
        """The length scale of each column."""
        return np.exp(self.logs[: self.parameters])[self.owner_C].astype(np.float32)

    @property
    def amplitudes(self) -> Array:
        """a_0 to a_5."""
        return np.asarray(np.exp(self.logs[self.parameters :]), dtype=np.float64)

    def matern(self, left_NC: Array, right_RC: Array) -> NDArray[np.float32]:
        """Shape (N, R): k(x, x')."""
        left, right = left_NC.astype(np.float32) / self.scales_C, right_RC.astype(np.float32) / self.scales_C
        squared = (left * left).sum(1)[:, None] + (right * right).sum(1)[None] - 2 * left @ right.T
        distance = np.sqrt(np.float32(5) * np.maximum(squared, 0))
        return np.asarray((1 + distance + distance * distance / 3) * np.exp(-distance), dtype=np.float32)

    def covariance(self, rows: Evidence) -> Array:
        """Shape (R, R): of the rows with one another, noise included."""
        a = self.amplitudes
        near = _near(rows.time_R[:, None] - rows.time_R[None])
        matrix = self.matern(rows.features_RC, rows.features_RC) * (a[0] + a[1] * near)
        matrix += a[3] * np.outer(rows.time_R, rows.time_R) + a[2] * (rows.trial_R[:, None] == rows.trial_R[None])
        if rows.earlier_RK is not None:
            matrix += a[5] * _agreement(rows.earlier_RK, rows.earlier_RK)
        matrix[np.diag_indices_from(matrix)] += a[4] + JITTER
        return np.asarray(matrix, dtype=np.float64)


def prior_kernel(owner_C: NDArray[np.int64]) -> Kernel:
    """Medians: the more parameters, the longer the scales, or everything would be far from everything."""
    parameters = int(owner_C.max()) + 1
    scale = 0.5 * np.sqrt(max(1.0, parameters / 4))
    return Kernel(owner_C=owner_C, logs=np.log([*([scale] * parameters), *AMPLITUDES]))


def fit_kernel(start: Kernel, rows: Evidence, iterations: int) -> Kernel:
    """The most probable parameters given these rows, around `start`, which is the prior's median."""
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
    """Minus the log marginal likelihood and its gradient by the logarithms (Rasmussen and Williams, eq. 5.9)."""
    p, n = len(squares_PRR), len(rows)
    scaled = squares_PRR / np.exp(2 * logs[:p])[:, None, None]
    a = np.exp(logs[p:])
    r2 = 5 * scaled.sum(0)
    r = np.sqrt(r2)
    decay = np.exp(-r)
    matern = (1 + r + r2 / 3) * decay
    near = _near(rows.time_R[:, None] - rows.time_R[None])
    amplitude = a[0] + a[1] * near
    same = rows.trial_R[:, None] == rows.trial_R[None]
    rising = np.outer(rows.time_R, rows.time_R)
    covariance = matern * amplitude + a[2] * same + a[3] * rising + (a[4] + JITTER) * np.eye(n)
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
        a[4] * np.trace(outer),
        0.0 if agreement is None else a[5] * (outer * agreement).sum(),
    ]
    return value, 0.5 * np.concatenate([lengths, parts])


@dataclass(frozen=True, kw_only=True)
class Model:
    """The process, given rows; predictions are for new trials at their last epoch."""

    kernel: Kernel
    rows: Evidence
    mean: float
    lower_RR: Array = field(repr=False)
    weights_R: Array = field(repr=False)

    @property
    def log_evidence(self) -> float:
        """The log marginal likelihood of the rows, but for a constant."""
        residual = self.rows.score_R - self.mean
        return float(-0.5 * residual @ self.weights_R - np.log(np.diag(self.lower_RR)).sum())

    def predict(self, features_NC: Array, earlier_NK: Array | None = None) -> Array:
        """Shape (N,): the expected score at the last epoch."""
        return np.asarray(self.mean + self._across(features_NC, earlier_NK) @ self.weights_R, dtype=np.float64)

    def predict_with_spread(self, features_NC: Array, earlier_NK: Array | None = None) -> tuple[Array, Array]:
        """Means and standard deviations, shape (N,) each; the luck of a single trial (a_2, a_4) left out."""
        a, across = self.kernel.amplitudes, self._across(features_NC, earlier_NK)
        solved = linalg.solve_triangular(self.lower_RR.astype(np.float32), across.T, lower=True, check_finite=False)
        before = a[0] + a[1] + a[3] + (0.0 if earlier_NK is None else a[5] * (earlier_NK * earlier_NK).mean(1))
        variance = np.maximum(before - (solved * solved).sum(0), 1e-6)
        return self.mean + across @ self.weights_R, np.sqrt(variance)

    def _across(self, features_NC: Array, earlier_NK: Array | None) -> NDArray[np.float32]:
        a, time_R = self.kernel.amplitudes, self.rows.time_R
        by_time = (a[0] + a[1] * _near(1 - time_R)).astype(np.float32)
        across = self.kernel.matern(features_NC, self.rows.features_RC) * by_time
        across = across + (a[3] * time_R).astype(np.float32)
        if earlier_NK is not None and self.rows.earlier_RK is not None:
            across = across + (a[5] * _agreement(earlier_NK, self.rows.earlier_RK)).astype(np.float32)
        return np.asarray(across, dtype=np.float32)


def condition(kernel: Kernel, rows: Evidence) -> Model:
    """The process with these rows known."""
    lower = linalg.cholesky(kernel.covariance(rows), lower=True, check_finite=False)
    mean = float(rows.score_R.mean())
    weights = linalg.cho_solve((lower, True), rows.score_R - mean, check_finite=False)
    return Model(kernel=kernel, rows=rows, mean=mean, lower_RR=lower, weights_R=weights)


def _near(difference: Any) -> Array:
    return np.asarray(np.exp(-(difference**2) / (2 * TIME_SCALE**2)), dtype=np.float64)


def _agreement(left_NK: Array, right_RK: Array) -> Array:
    return np.asarray(left_NK @ right_RK.T / left_NK.shape[1], dtype=np.float64)
