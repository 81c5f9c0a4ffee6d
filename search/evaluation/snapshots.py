"""The networks at the dips of a retraining's learning rate, counted beforehand and kept as one file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load
from torch import nn

from objectives.core.run import count_dips
from objectives.models.weights import load_packed, pack_weights
from objectives.variants.averaging import check_members
from objectives.variants.catalogue import VARIANTS
from objectives.variants.copying import copy_for_prediction
from search.evaluation.final_step import FinalStep
from search.evaluation.selection import Winner
from spaces import Choice


def count_snapshots(variants: Sequence[Choice]) -> int:
    """Return how many snapshots the variants need at most; 0 for variants that need none."""
    return max((int(v.options["members"]) for v in variants if VARIANTS[v.name].needs_snapshots), default=0)


def check_dips(final_step: FinalStep, winner: Winner, variants: Sequence[Choice]) -> None:
    """Check, before anything is trained, that the winner's learning rate has the dips that the variants need.

    Raises:
        ObjectiveError: it has fewer than two.
    """
    if count_snapshots(variants):
        check_members(count_dips(final_step.objective, winner.config, winner.epochs, final_step.spec.epochs))


def pack_snapshots(snapshots: Sequence[nn.Module]) -> tuple[bytes, str]:
    """Return the snapshots' weights as the content of one safetensors file, and its SHA-256."""
    return pack_weights(nn.ModuleList(snapshots))


def load_snapshots(path: Path, model: nn.Module, sha256: str) -> tuple[nn.Module, ...] | None:
    """Return the snapshots of a file, networks with the layers of `model`; None if it is missing or another file."""
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != sha256:
        return None
    count = len({name.partition(".")[0] for name in load(data)})
    networks = nn.ModuleList(copy_for_prediction(model) for _ in range(count))
    load_packed(data, networks)
    return tuple(networks)
