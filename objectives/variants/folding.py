"""Folding: batch norm merged into the layer before it."""

from __future__ import annotations

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from objectives.base.errors import ObjectiveError
from objectives.variants.copying import copy_for_prediction


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """Return a copy with every batch norm that directly follows a Linear or Conv2d in an nn.Sequential folded in.

    Each such batch norm becomes an nn.Identity; outputs are equal up to rounding.

    Raises:
        ObjectiveError: there is no such batch norm.
    """
    folded = copy_for_prediction(model)
    found = sum(_fold(module) for module in folded.modules() if isinstance(module, nn.Sequential))
    if not found:
        raise ObjectiveError(
            "fold_batch_norm needs a batch norm directly after a linear or convolutional layer, but this network "
            "has none; remove the variant"
        )
    return folded


def _fold(sequence: nn.Sequential) -> int:
    """Fold every pair of a layer and a batch norm in place; return how many there were."""
    pairs = list(pairwise(sequence.named_children()))
    count = 0
    for (name, layer), (following, norm) in pairs:
        fused = _fuse(layer, norm)
        if fused is not None:
            setattr(sequence, name, fused)
            setattr(sequence, following, nn.Identity())
            count += 1
    return count


def _fuse(layer: nn.Module, norm: nn.Module) -> nn.Module | None:
    """Return a new layer that does what both do, or None if they are not such a pair.

    A subclass may compute something else, so it is not fused.
    """
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) or norm.running_mean is None or not norm.affine:
        return None
    if type(layer) is nn.Conv2d and type(norm) is nn.BatchNorm2d:
        return fuse_conv_bn_eval(layer, norm)
    if type(layer) is nn.Linear and type(norm) is nn.BatchNorm1d:
        return fuse_linear_bn_eval(layer, norm)
    return None
