"""Batch norm folded into the layer in front of it."""

from __future__ import annotations

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from objectives.base.errors import ObjectiveError
from objectives.variants.copying import copy_for_prediction


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """A copy without the batch norms that directly follow a Linear or Conv2d in an nn.Sequential, anywhere in it.

    Each becomes an nn.Identity; outputs are equal but for rounding.

    Raises:
        ObjectiveError: there is no such batch norm.
    """
    folded = copy_for_prediction(model)
    found = sum(_fold(module) for module in folded.modules() if isinstance(module, nn.Sequential))
    if not found:
        raise ObjectiveError(
            "fold_batch_norm needs a batch norm directly after a linear or convolutional layer, but this network "
            "has none; leave the variant out"
        )
    return folded


def _fold(sequence: nn.Sequential) -> int:
    """Fold every pair of neighbours; returns how many there were."""
    pairs = list(pairwise(sequence.named_children()))
    count = 0
    for (name, layer), (following, norm) in pairs:
        fused = _fused(layer, norm)
        if fused is not None:
            setattr(sequence, name, fused)
            setattr(sequence, following, nn.Identity())
            count += 1
    return count


def _fused(layer: nn.Module, norm: nn.Module) -> nn.Module | None:
    """A new layer that does what both do; None where they are no such pair.

    A class derived from one of these may compute something else, and is left alone.
    """
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) or norm.running_mean is None or not norm.affine:
        return None
    if type(layer) is nn.Conv2d and type(norm) is nn.BatchNorm2d:
        return fuse_conv_bn_eval(layer, norm)
    if type(layer) is nn.Linear and type(norm) is nn.BatchNorm1d:
        return fuse_linear_bn_eval(layer, norm)
    return None
