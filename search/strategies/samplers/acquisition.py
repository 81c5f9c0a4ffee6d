"""The default sampler's proposals: a pure function of the history, the study's seed and the trial's number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtr
from scipy.stats import qmc

from objectives.base.seeds import derive_seed
from search.strategies.gp.encoding import Array, Encoding
from search.strategies.gp.learning_curves import LearningCurves
from search.strategies.gp.neighbours import draw_neighbours
from search.strategies.gp.observations import half_rank_scores
from search.strategies.gp.posterior import Posterior, PosteriorCache
from search.strategies.gp.prior_models import PriorModels
from search.strategies.samplers.repeats import MOST_LISTED, Tried, find_begun

# Length of the scrambled Sobol sequence.
SOBOL_POINTS = 32
# Trials that cover the space before the model proposes any.
STARTUP_TRIALS = 6
# Trials that cover the space after those that experience starts with: they show whether it applies to this study.
CONTRAST_TRIALS = 3
# Share of random proposals.
RANDOM_SHARE = 0.15
RANDOM_SHARE_WITH_EXPERIENCE = 0.10
# Mean number of standard deviations that are added to a candidate's score; each proposal draws it (exponential).
OPTIMISM = 0.7
# Candidates: neighbours of each of the best trials, and points of the whole space.
BEST = 10
NEIGHBOURS = 30
ANYWHERE = 250
# Rounds in which neighbours of those candidates that are worth most become the candidates, and how many of each.
ROUNDS = 3
CLIMBING = 10
# In such a space, the most trials that have just begun whose proposals are worked out; each takes some milliseconds.
MOST_EXPECTED = 64


class Proposer:
    """Proposes configurations; what it caches is determined by the history, so that all workers propose the same."""

    def __init__(self, encoding: Encoding, seed: int, experience: PriorModels | None) -> None:
        self._encoding = encoding
        self._seed = seed
        self._experience = experience
        self._sobol = encoding.draw(qmc.Sobol(len(encoding), rng=_random(seed, "sobol")).random(SOBOL_POINTS))
        self._posterior_cache = PosteriorCache(encoding, experience, half_rank_scores)

    def propose(self, curves: LearningCurves, number: int, fixed: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of trial `number`; those in `fixed` are already decided."""
        held_P = self._encoding.units(fixed)
        known, tried = self._look(curves, number)
        return self._encoding.values(self._decide(known, tried, number, held_P))

    def _look(self, curves: LearningCurves, number: int) -> tuple[LearningCurves, Tried]:
        """Return the trials whose parameters are known, and the configurations that have been tried or soon will be.

        Where many workers ask at once, the parameters of the others are not stored yet; in a small space, two of them
        would propose the same.
        """
        begun = find_begun(self._encoding, curves)
        known = curves.leave_out(begun) if len(begun) else curves
        tried = Tried(self._encoding, known)
        if len(begun) and self._is_small:
            for place in begun[curves.numbers_N[begun] < number][-MOST_EXPECTED:]:
                tried.add(self._decide(known, tried, int(curves.numbers_N[place]), curves.units_NP[place]))
        return known, tried

    @cached_property
    def _is_small(self) -> bool:
        return self._encoding.count(MOST_LISTED) is not None

    def _decide(self, curves: LearningCurves, tried: Tried, number: int, held_P: Array) -> Array:
        units = self._units(curves, tried, number, np.full_like(held_P, np.nan))
        agrees = np.isnan(held_P) | np.isclose(units, held_P) | ~self._encoding.exists(units[None])[0]
        # Nothing is held, or it was this proposal's own: another worker stored a part of it.
        return units if agrees.all() else self._units(curves, tried, number, held_P)

    def _units(self, curves: LearningCurves, tried: Tried, number: int, held_P: Array) -> Array:
        random = _random(self._seed, "proposal", number)
        explored = self._explore(curves, number, random)
        candidates = self._candidates(curves, random) if explored is None else explored[None]
        candidates = np.where(np.isnan(held_P), candidates, held_P)
        new = tried.leave_out(candidates)
        if not len(new):
            new = self._find_new(tried, held_P, random)
        if not len(new):
            again = random.permutation(tried.list_repeats(held_P))
            return self._choose_repeat(again, curves, tried, random) if len(again) else candidates[0]
        if explored is not None:
            return np.asarray(new[0], dtype=np.float64)
        return self._choose(new, curves, tried, held_P, random)

    def _explore(self, curves: LearningCurves, number: int, random: np.random.Generator) -> Array | None:
        """Return the units of a trial that the model does not propose; None for others."""
        units = self._first(number)
        if units is None and (random.random() < self._random_share or (curves.epochs_N > 0).sum() < 2):
            units = self._sobol[number] if number < SOBOL_POINTS else self._anywhere(1, random)[0]
        return units

    def _find_new(self, tried: Tried, held_P: Array, random: np.random.Generator) -> Array:
        """Return units of configurations that have not been tried, in random order; none if there are none left."""
        new = tried.leave_out(np.where(np.isnan(held_P), self._anywhere(ANYWHERE, random), held_P))
        if len(new):
            return new
        every = self._encoding.list_all(held_P, MOST_LISTED)
        if every is None:
            every = np.where(np.isnan(held_P), self._anywhere(MOST_LISTED, random), held_P)
        return random.permutation(tried.leave_out(every))

    @property
    def _random_share(self) -> float:
        return RANDOM_SHARE if self._experience is None else RANDOM_SHARE_WITH_EXPERIENCE

    def _first(self, number: int) -> Array | None:
        """Return the units of a trial that comes before the model's; None for others.

        Those that start from experience are enqueued, not proposed.
        """
        starts = 0 if self._experience is None else len(self._experience.starts)
        until = STARTUP_TRIALS if self._experience is None else starts + CONTRAST_TRIALS
        return self._sobol[number] if starts <= number < until else None

    def _choose(
        self, candidates: Array, curves: LearningCurves, tried: Tried, held_P: Array, random: np.random.Generator
    ) -> Array:
        """Return the best by the model of the candidates and what is found from them, uphill, that was not tried."""
        judge = self._draw_judge(self._posterior_cache.fit(curves, tried.features_NC, random), random)
        worth = judge(candidates)
        for _ in range(ROUNDS):
            best = candidates[np.argsort(-worth, kind="stable")[:BEST]]
            near = draw_neighbours(self._encoding, best, CLIMBING, random)
            candidates = np.concatenate([best, tried.leave_out(np.where(np.isnan(held_P), near, held_P))])
            worth = judge(candidates)
        return np.asarray(candidates[np.argmax(worth)], dtype=np.float64)

    def _draw_judge(self, posterior: Posterior, random: np.random.Generator) -> Callable[[Array], Array]:
        """Return a function that says what candidates are worth: every other time by expected improvement."""
        optimism = None if random.random() < 0.5 else random.exponential(OPTIMISM)

        def judge(units_NP: Array) -> Array:
            mean, spread = posterior.predict(self._encoding.features(units_NP))
            if optimism is None:
                return expected_improvement(mean, spread, posterior.best)
            return np.asarray(mean + optimism * spread, dtype=np.float64)

        return judge

    def _choose_repeat(self, again: Array, curves: LearningCurves, tried: Tried, random: np.random.Generator) -> Array:
        """Return one of the configurations to repeat, each as often as it is likely to be the best (Thompson 1933).

        That is one of the best, which may be so by luck, or one that was stopped before much was known about it.
        """
        if not (curves.epochs_N > 0).any():
            return np.asarray(again[0], dtype=np.float64)
        posterior = self._posterior_cache.fit(curves, tried.features_NC, random)
        mean, spread = posterior.predict(self._encoding.features(again))
        return np.asarray(again[np.argmax(random.normal(mean, spread))], dtype=np.float64)

    def _candidates(self, curves: LearningCurves, random: np.random.Generator) -> Array:
        """Return units of points of the whole space and of neighbours of the best trials."""
        reached = curves.best_N
        best = curves.units_NP[np.argsort(-reached, kind="stable")[:BEST]]
        near = draw_neighbours(self._encoding, best, NEIGHBOURS, random)
        starts = [] if self._experience is None else list(self._experience.starts)
        return np.concatenate([self._anywhere(ANYWHERE, random), near, *(start[None] for start in starts)])

    def _anywhere(self, count: int, random: np.random.Generator) -> Array:
        return self._encoding.draw(random.random((count, len(self._encoding))))


def expected_improvement(mean_N: Array, spread_N: Array, best: float) -> Array:
    """Return E[max(0, Y - best)] for normal Y with these means and standard deviations (Jones et al. 1998)."""
    z = (mean_N - best) / spread_N
    return np.asarray(spread_N * (z * ndtr(z) + np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)), dtype=np.float64)


def _random(seed: int, *use: int | str) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, *use))
