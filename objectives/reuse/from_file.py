"""Stages loaded from a file of weights."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from objectives.base.errors import ObjectiveError
from objectives.models.network import Network
from objectives.reuse.context import ReuseContext, key_of_file
from objectives.reuse.torchvision_networks import TorchvisionNetwork, name_in_file
from objectives.reuse.transfer import format_shape
from objectives.reuse.weights_file import WeightsFile

# Files of old versions of torch have no such counters, which only a momentum of None reads.
_COUNTER = "num_batches_tracked"


def load_stages(network: Network, context: ReuseContext, file: str, layers: int) -> None:
    """Copy the lowest `layers` stages from a file, and normalize images for a network of torchvision as its were.

    Nothing is copied if the main training has begun already: its state has the weights.

    Raises:
        ObjectiveError: the file has not been found before, or lacks a tensor, or has one of another shape.
    """
    if isinstance(network, TorchvisionNetwork):
        images = context.data.train.mean, context.data.train.std
        network.fit_images.set_normalization(images, network.normalization)
    if context.begun:
        return
    source = context.sources.get(key_of_file(file))
    if not isinstance(source, WeightsFile):
        raise ObjectiveError(f"no file of weights {file!r} belongs to this study; use --set file=PATH")
    found = source.load_state()
    states = [_select(network, stage, found, source) for stage in range(layers)]
    for stage, state in zip(network.stages, states, strict=False):
        stage.load_state_dict(state)


def _select(network: Network, stage: int, found: Mapping[str, Tensor], source: WeightsFile) -> dict[str, Tensor]:
    """Return the state of a stage, under the names within the stage."""
    chosen: dict[str, Tensor] = {}

    def name_there(own: str) -> str:
        return name_in_file(own) if isinstance(network, TorchvisionNetwork) else f"stages.{stage}.{own}"

    for own, tensor in network.stages[stage].state_dict().items():
        name = name_there(own)
        if name not in found and name.endswith(_COUNTER):
            chosen[own] = tensor
            continue
        if name not in found:
            raise ObjectiveError(
                f"the file of weights {source.path} has no {name!r}, which stage {stage} of this network needs; its "
                f"tensors are {_list_some(found)}: take a file of the same architecture"
            )
        if found[name].shape != tensor.shape:
            raise ObjectiveError(
                f"{name!r} is {format_shape(tuple(found[name].shape))} in the file of weights {source.path}, but "
                f"{format_shape(tuple(tensor.shape))} in stage {stage} of this network; take a file of the same "
                "architecture"
            )
        chosen[own] = found[name]
    # A deeper network of the same family has all these tensors, too.
    known = set(map(name_there, chosen))
    parts = tuple(name_there(f"{name}.") for name, _ in network.stages[stage].named_children())
    more = next((name for name in found if name.startswith(parts) and name not in known), None)
    if more is not None:
        raise ObjectiveError(
            f"the file of weights {source.path} has {more!r}, which stage {stage} of this network has not; take a file "
            "of the same architecture"
        )
    return chosen


def _list_some(found: Mapping[str, Tensor]) -> str:
    names = sorted(found)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
