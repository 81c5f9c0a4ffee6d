"""Which configurations a study has tried, and which it trains again when no other is left.

Shapes: N trials or candidates, P parameters, C columns of features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.strategies.gp.encoding import Array, Encoding
from search.strategies.gp.learning_curves import LearningCurves

MOST_LISTED = 10_000
"""Spaces of at most this many configurations are listed when drawing finds none that has not been tried."""


class Tried:
    """The configurations of a study's trials, running and failed ones included.

    Two configurations are the same if their features are: they differ in parameters that do not exist, if at all.

    features_NC: of the trials of `curves`.
    """

    def __init__(self, encoding: Encoding, curves: LearningCurves) -> None:
        self._encoding = encoding
        self._curves = curves
        self.features_NC = curves.features(encoding)
        self._whole = np.flatnonzero(encoding.are_whole(curves.units_NP))
        self._keys = set(_keys(self.features_NC[self._whole]))
        if curves.failed_FP is not None:
            self._keys.update(_keys(encoding.features(curves.failed_FP[encoding.are_whole(curves.failed_FP)])))

    def add(self, units_P: Array) -> None:
        """Count a configuration that a trial will have."""
        self._keys.update(_keys(self._encoding.features(units_P[None])))

    def leave_out(self, units_NP: Array) -> Array:
        """Return the configurations that have not been tried."""
        keys = _keys(self._encoding.features(units_NP))
        return units_NP[np.fromiter((key not in self._keys for key in keys), dtype=np.bool_, count=len(keys))]

    def list_repeats(self, held_P: Array) -> Array:
        """Return the units of the configurations to choose a repeat from, shape (N, P).

        All but those that broke down whenever they were tried, and those that failed; all if every one did.

        held_P: the units of the parameters that are decided, NaN for each other.
        """
        units_NP = self._curves.units_NP[self._whole]
        fits = (np.isnan(held_P) | np.isnan(units_NP) | np.isclose(units_NP, held_P)).all(axis=1)
        places = self._whole[fits]
        works = places[(self._curves.best_N[places] > -np.inf) | (self._curves.epochs_N[places] == 0)]
        places = works if len(works) else places
        _, first = np.unique(_coarse(self.features_NC[places]), axis=0, return_index=True)
        return self._curves.units_NP[places[np.sort(first)]]


def find_begun(encoding: Encoding, curves: LearningCurves) -> NDArray[np.int64]:
    """Return the indices of the running trials whose parameters are not all stored yet."""
    waiting = curves.waiting
    return waiting[~encoding.are_whole(curves.units_NP[waiting])]


def _coarse(features_NC: Array) -> Any:
    return np.round(features_NC, 5).astype(np.float32) + np.float32(0)  # minus zero becomes zero


def _keys(features_NC: Array) -> list[bytes]:
    return [row.tobytes() for row in _coarse(features_NC)]
