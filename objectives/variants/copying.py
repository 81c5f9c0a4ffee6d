"""The copies that variants are made of."""

from __future__ import annotations

import copy

from torch import nn


def copy_for_prediction(model: nn.Module) -> nn.Module:
    """A copy of a network in evaluation mode; the network itself stays as it is."""
    return copy.deepcopy(model).eval()
