"""The copy of a network that a variant changes."""

from __future__ import annotations

import copy

from torch import nn


def copy_for_prediction(model: nn.Module) -> nn.Module:
    """Return a copy of a network in evaluation mode; the network itself is not changed."""
    return copy.deepcopy(model).eval()
