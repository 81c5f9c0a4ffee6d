"""Stages copied from the network of another study."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from objectives.base.errors import ObjectiveError
from objectives.models.network import Network
from objectives.reuse.context import ReuseContext, TrainedNetwork

# What gives stages their form, where a network's configuration has it.
_FORM = ("width", "activation", "normalization")


def copy_stages(network: Network, reusing: ReuseContext, source: str, layers: int) -> None:
    """Give the lowest `layers` stages the state of the source's, batch norm statistics included.

    Raises:
        ObjectiveError: there is no such source, or its stages or images are of another form; nothing is copied.
    """
    trained = reusing.sources.get(source)
    if trained is None:
        raise ObjectiveError(
            f"there is no network of a study {source!r} to transfer from; there is "
            f"{', '.join(reusing.sources) or 'none'}; --set source=NAME says which finished study's to take"
        )
    stages = trained.stages()
    _check(network, reusing, trained, stages, layers)
    for stage, state in zip(network.stages, stages[:layers], strict=False):
        stage.load_state_dict(state)


def _check(
    network: Network, reusing: ReuseContext, trained: TrainedNetwork, stages: list[dict[str, Tensor]], layers: int
) -> None:
    trained.check_images(reusing.data.image_shape)
    if layers > len(stages):
        raise ObjectiveError(
            f"layers={layers} stages cannot be taken from source {trained.name!r}, which has {len(stages)}"
            + (f"; --set layers={len(stages)}" if stages else " (a network of its own); take another source")
        )
    for index in range(layers):
        there, here = _shapes(stages[index]), _shapes(network.stages[index].state_dict())
        differing = {name for name in there.keys() | here.keys() if there.get(name) != here.get(name)}
        if differing:
            name = min(differing, key=lambda name: (name not in there, -len(there.get(name, ())), name))
            raise ObjectiveError(
                f"{name!r} of stage {index} is {_form(there.get(name))} in source {trained.name!r} and "
                f"{_form(here.get(name))} in this network; give both the same form: {_remedy(trained)}"
            )


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _form(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else "x".join(map(str, shape)) or "a number"


def _remedy(trained: TrainedNetwork) -> str:
    known = {name: trained.configuration[name] for name in _FORM if name in trained.configuration}
    texts = [f"--set {name}={value['name'] if isinstance(value, Mapping) else value}" for name, value in known.items()]
    return " ".join(texts) or f"the network's configuration as in {trained.name!r}"
