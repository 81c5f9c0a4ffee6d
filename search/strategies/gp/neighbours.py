"""Configurations near others: candidates for a model to judge."""

from __future__ import annotations

import numpy as np

from search.strategies.gp.encoding import Array, Encoding


def draw_neighbours(encoding: Encoding, units_NP: Array, count: int, random: np.random.Generator) -> Array:
    """Return the units of `count` configurations near each of these, snapped to valid values, shape (N x count, P).

    About half of the numbers move; how far is drawn for each neighbour: 0.02 to 0.3 is one standard deviation. The
    further they move, the more likely a choice is drawn again. A parameter that is absent gets any value.
    """
    is_choice = np.array([parameter.choices > 0 for parameter in encoding.parameters])
    near = np.repeat(units_NP, count, axis=0)
    near = np.where(np.isnan(near), random.random(near.shape), near)
    scale = np.exp(random.uniform(np.log(0.02), np.log(0.3), (len(near), 1)))
    moved = scale * random.normal(size=near.shape) * (random.random(near.shape) < 0.5)
    drawn = (random.random(near.shape) < 1.5 * scale) & is_choice
    near = np.where(drawn, random.random(near.shape), np.where(is_choice, near, near + moved))
    return encoding.snap(np.clip(near, 0, 1))
