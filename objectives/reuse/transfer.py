"""Transfer: stages copied from the network of another study."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from objectives.base.errors import ObjectiveError
from objectives.models.network import Network
from objectives.reuse.context import ReuseContext
from objectives.reuse.trained_network import TrainedNetwork

# Configuration fields that decide a stage's parameters, in networks that have them.
_STAGE_FIELDS = ("width", "activation", "normalization")


def copy_stages(network: Network, context: ReuseContext, source: str, layers: int) -> None:
    """Copy the state of the source's lowest `layers` stages, including batch norm statistics.

    Raises:
        ObjectiveError: there is no such source, or its stages or images have other shapes; nothing is copied then.
    """
    trained = context.sources.get(source)
    if not isinstance(trained, TrainedNetwork):
        raise ObjectiveError(
            f"no study {source!r} has a network to transfer from (known: {', '.join(context.sources) or 'none'}); "
            "use --set source=NAME with a finished study"
        )
    stages = trained.load_stages()
    _check_shapes(network, context, trained, stages, layers)
    for stage, state in zip(network.stages, stages[:layers], strict=False):
        stage.load_state_dict(state)


def _check_shapes(
    network: Network, context: ReuseContext, trained: TrainedNetwork, stages: list[dict[str, Tensor]], layers: int
) -> None:
    trained.check_images(context.data.image_shape)
    if layers > len(stages):
        raise ObjectiveError(
            f"layers={layers} stages cannot be taken from source {trained.name!r}, which has {len(stages)}"
            + (f"; use --set layers={len(stages)}" if stages else "; take another source")
        )
    for index in range(layers):
        there, here = _shapes(stages[index]), _shapes(network.stages[index].state_dict())
        differing = {name for name in there.keys() | here.keys() if there.get(name) != here.get(name)}
        if differing:
            name = min(differing, key=lambda name: (name not in there, -len(there.get(name, ())), name))
            raise ObjectiveError(
                f"{name!r} of stage {index} is {format_shape(there.get(name))} in source {trained.name!r}, but "
                f"{format_shape(here.get(name))} in this network; use {_suggest_remedy(trained)}"
            )


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def format_shape(shape: tuple[int, ...] | None) -> str:
    """Return a shape as messages have it."""
    return "absent" if shape is None else "x".join(map(str, shape)) or "a number"


def _suggest_remedy(trained: TrainedNetwork) -> str:
    known = {name: trained.configuration[name] for name in _STAGE_FIELDS if name in trained.configuration}
    texts = [f"--set {name}={value['name'] if isinstance(value, Mapping) else value}" for name, value in known.items()]
    return " ".join(texts) or f"the network's configuration as in {trained.name!r}"
