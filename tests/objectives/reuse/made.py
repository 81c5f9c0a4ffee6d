"""Small networks on the digits, and what reuse is given for them."""

from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from objectives.base.registry import resolve
from objectives.data.batches.examples import TrainValidation, load
from objectives.data.cache import prepare
from objectives.data.splits.split import Split, draw_subset, split_examples
from objectives.models.network import Network
from objectives.reuse.catalogue import REUSES
from objectives.reuse.context import ReuseContext, Source, key_of_file
from objectives.reuse.freeze import Freeze
from objectives.reuse.trained_network import TrainedNetwork
from objectives.reuse.weights_file import WeightsFile, find_weights_file
from spaces import Choice

PIXELS = 64


@cache
def digits(labelled: int | None = None) -> TrainValidation:
    """Return the digits' training part, a fifth of it for validation; of the rest, this many are labelled, or all."""
    with TemporaryDirectory() as folder:
        prepared = prepare("digits", Path(folder) / "data", Path(folder) / "cache")
        parts = split_examples(prepared.labels(), 0.2, 0)
        if labelled is not None:
            few = draw_subset(prepared.labels(), parts.train, labelled, 0)
            parts = Split(train=few, validation=parts.validation, pool=parts.pool)
        return load(prepared, parts, "cpu")


class Watching(nn.Flatten):
    """Flattens images and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The pixels in a row."""
        self.seen.append(x_BCHW.detach().clone())
        return super().forward(x_BCHW)


def network(*, stages: int = 3, width: int = 32, classes: int = 10, norm: bool = True, seed: int = 0) -> Network:
    """A multilayer perceptron for digits, with batch norm in each hidden layer."""
    torch.manual_seed(seed)
    widths = [PIXELS] + [width] * stages
    layers = [
        nn.Sequential(nn.Linear(below, above), nn.BatchNorm1d(above) if norm else nn.Identity(), nn.ReLU())
        for below, above in pairwise(widths)
    ]
    return Network(prepare=Watching(), stages=layers, pool=nn.Identity(), output=nn.Linear(width, classes))


def state(module: nn.Module) -> dict[str, Tensor]:
    """A copy of a module's parameters and buffers."""
    return {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in module.state_dict().items()
    }


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two states are equal, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def source(model: nn.Module, **changes: Any) -> TrainedNetwork:
    """A network as it comes from another study."""
    values: dict[str, Any] = {
        "name": "digits-eight",
        "sha256": "0" * 64,
        "model": "mlp",
        "configuration": {"depth": 3, "width": 32, "normalization": {"name": "batch_norm"}},
        "image_shape": (1, 8, 8),
        "classes": tuple("01234567"),
        "weights": save(state(model)),
    }
    return TrainedNetwork(**{**values, **changes})


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory()


def weights_file(model: nn.Module, name: str = "donor.safetensors") -> WeightsFile:
    """A network's weights in a file of that name, in the format that its ending says."""
    # In a folder of its own: another file of the same name must not change this one.
    path = Path(mkdtemp(dir=_folder().name)) / name
    if path.suffix == ".safetensors":
        path.write_bytes(save(state(model)))
    else:
        torch.save(model.state_dict(), path)
    return find_weights_file(name, path.parent)


def named(*sources: Source) -> dict[str, Source]:
    """Sources by the names that a study has for them."""
    return {key_of_file(each.name) if isinstance(each, WeightsFile) else each.name: each for each in sources}


def reusing(*sources: Source, data: TrainValidation | None = None, seed: int = 7) -> ReuseContext:
    """What a trial on the digits has for reuse."""
    return ReuseContext(data=data or digits(), sources=named(*sources), seed=seed)


def built(name: str, model: nn.Module, given: ReuseContext, **options: Any) -> Freeze:
    """Reuse as a training run does."""
    entry, chosen = resolve(REUSES, Choice(name, options), "reuse")
    freeze = entry.build(model, given, **chosen)
    assert freeze is not None
    return freeze
