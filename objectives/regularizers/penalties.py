"""Penalties: loss terms that depend on weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def compute_penalty(weights: Sequence[Tensor], l1: float, l2: float) -> Tensor:
    """Return l1 times the sum of |w| plus l2 times the sum of w^2 over all weights, a scalar to add to the loss.

    The l2 term is not halved: its gradient is 2 l2 w.
    """
    terms = [l1 * weight.abs().sum() for weight in weights if l1]
    terms += [l2 * weight.square().sum() for weight in weights if l2]
    return torch.stack(terms).sum() if terms else torch.zeros(())
