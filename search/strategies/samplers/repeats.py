"""Which configurations a study has tried, and which it trains again when no other is left.

Shapes: N trials or candidates, P parameters, C columns of features.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.strategies.gp.encoding import Array, Encoding
from search.strategies.gp.learning_curves import LearningCurves

# Configurations that share the repeats: the best one may be so by luck, and further seeds show it.
REPEATED = 3


class Tried:
    """The configurations of a study's trials, running ones included, and how often each was tried.

    Two configurations are the same if their features are: they differ in parameters that do not exist, if at all.

    features_NC: of the trials of `curves`.
    """

    def __init__(self, encoding: Encoding, curves: LearningCurves) -> None:
        self._encoding = encoding
        self._curves = curves
        self.features_NC = encoding.features(curves.units_NP)
        self._whole = np.flatnonzero(encoding.are_whole(curves.units_NP))
        self._tries = Counter(_keys(self.features_NC[self._whole]))

    def add(self, units_P: Array) -> None:
        """Count a configuration that a trial will have."""
        self._tries.update(_keys(self._encoding.features(units_P[None])))

    def leave_out(self, units_NP: Array) -> Array:
        """Return the configurations that have not been tried."""
        keys = _keys(self._encoding.features(units_NP))
        return units_NP[np.fromiter((key not in self._tries for key in keys), dtype=np.bool_, count=len(keys))]

    def choose_repeat(self, held_P: Array) -> Array | None:
        """Return the units of one of the best configurations, the one tried fewest times; None if none fits `held_P`.

        held_P: the units of the parameters that are decided, NaN for each other.
        """
        units_NP = self._curves.units_NP[self._whole]
        fits = (np.isnan(held_P) | np.isnan(units_NP) | np.isclose(units_NP, held_P)).all(axis=1)
        places = self._whole[fits]
        if not len(places):
            return None
        _, first, group_N = np.unique(_coarse(self.features_NC[places]), axis=0, return_index=True, return_inverse=True)
        keys = _keys(self.features_NC[places[first]])
        best = _rank_groups(self._curves, places, group_N.reshape(-1), len(first))
        chosen = min(best, key=lambda group: self._tries[keys[group]])
        return np.asarray(self._curves.units_NP[places[first[chosen]]], dtype=np.float64)


def find_begun(encoding: Encoding, curves: LearningCurves) -> NDArray[np.int64]:
    """Return the indices of the running trials whose parameters are not all stored yet."""
    waiting = curves.waiting
    return waiting[~encoding.are_whole(curves.units_NP[waiting])]


def _rank_groups(curves: LearningCurves, places: NDArray[np.int64], group_N: NDArray[np.int64], groups: int) -> Any:
    """Return the groups with the best values, best first, then those of which no trial has reported a value.

    places: indices of trials. group_N: the group of each, from 0 to `groups` - 1.
    """
    values, reported = np.full(groups, -np.inf), np.zeros(groups, dtype=np.bool_)
    np.maximum.at(values, group_N, curves.best_N[places])
    np.logical_or.at(reported, group_N, curves.epochs_N[places] > 0)
    ranked = np.argsort(-values, kind="stable")
    best = ranked[values[ranked] > -np.inf][:REPEATED]
    waiting = np.flatnonzero(~reported)
    found = np.concatenate([best, waiting])
    return found if len(found) else ranked  # every trial broke down


def _coarse(features_NC: Array) -> Any:
    return np.round(features_NC, 5).astype(np.float32) + np.float32(0)  # minus zero becomes zero


def _keys(features_NC: Array) -> list[bytes]:
    return [row.tobytes() for row in _coarse(features_NC)]
