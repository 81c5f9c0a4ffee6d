"""What every way to reuse weights is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from objectives.reuse.trained_network import TrainedNetwork
from objectives.reuse.weights_file import WeightsFile

if TYPE_CHECKING:
    from objectives.data.batches.examples import TrainValidation


Source = TrainedNetwork | WeightsFile
"""Where weights come from: the network of another study, or a file."""


def key_of_file(file: str) -> str:
    """Return the name that a file of weights has among a study's sources, where other studies have their own."""
    return f"file:{file}"


@dataclass(frozen=True, kw_only=True)
class ReuseContext:
    """What one trial has for reuse: its data and seed, the networks of other studies, and files of weights."""

    data: TrainValidation
    sources: Mapping[str, Source]
    """Networks of other studies, by the study's name, and files of weights, by `file:` and the file's name."""
    seed: int
    """The trial's seed."""
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    begun: bool = False
    """Whether the main training has begun before: its state then has the weights, which are not computed again."""
    beat: Callable[[], None] = lambda: None
    """Called after every batch of a pretraining; it may raise to stop that."""
