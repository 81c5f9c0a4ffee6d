"""How far a study believes each earlier one: as surely as it ranks this study's trials better than chance does.

Trials are compared in pairs, each at the last epoch that both have reached, and resampled, so that few trials prove
little; after the ranking-weighted ensembles of Feurer, Letham and Bakshy 2018 (arXiv:1802.02219). There one study wins
each sample. Here each study is judged alone, because the mean of several ranks better than the best of them.

Shapes: N trials, K earlier studies, S samples.
"""

from __future__ import annotations

import numpy as np

from search.strategies.gp.encoding import Array
from search.strategies.gp.learning_curves import LearningCurves

SAMPLES = 200
# A study agrees if it misranks at most this share of the pairs: chance misranks as many. Stricter rules, which drop the
# studies that the new one's own model surpasses, were worse: what a weak study tells is worth its share in the mean.
MISRANKED = 0.5


def weigh_studies(curves: LearningCurves, earlier_NK: Array) -> Array:
    """Return the belief in each earlier study, from 0 to 1, shape (K,): the share of samples in which it agrees.

    The samples depend on the number of trials only, so every worker draws the same. Equal trials are no evidence.

    earlier_NK: what the earlier studies predict for the trials.
    """
    n = len(curves)
    drawn_SN = np.random.default_rng(n).multinomial(n, np.full(n, 1 / n), size=SAMPLES).astype(np.float64)

    def total(pairs_NN: Array) -> Array:
        return np.asarray(((drawn_SN @ pairs_NN) * drawn_SN).sum(1), dtype=np.float64)

    order_NN = compare_pairs(curves)
    allowed_S = MISRANKED * total(np.abs(order_NN))
    return np.array([(total(_misranked(order_NN, scores_N)) <= allowed_S).mean() for scores_N in earlier_NK.T])


def compare_pairs(curves: LearningCurves) -> Array:
    """Return 1 where the first trial of a pair is ahead at their last common epoch, -1 where it is behind, else 0."""
    common_NN = np.minimum(curves.epochs_N[:, None], curves.epochs_N[None]) - 1
    best_NN = curves.best_NE[np.arange(len(curves))[:, None], common_NN]
    return np.asarray((best_NN > best_NN.T).astype(np.float64) - (best_NN < best_NN.T), dtype=np.float64)


def _misranked(order_NN: Array, scores_N: Array) -> Array:
    """Return 1 for each pair that the scores order wrongly, 1/2 for one that they do not order."""
    return np.asarray(np.abs(order_NN) * (1 - order_NN * np.sign(scores_N[:, None] - scores_N[None])) / 2)
