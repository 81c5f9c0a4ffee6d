"""The recurrent network. B: batch, C: channels, H, W: height and width, T: steps, F: features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from objectives.base.registry import resolve
from objectives.models.config import Cell, ImageShape, RnnConfig
from objectives.models.custom_layers import EachStep
from objectives.models.layers import build_input_parts, initialize_network, prepend
from objectives.models.network import Network
from objectives.models.normalizations import NORMALIZATIONS, Position

CELLS: dict[Cell, type[nn.RNN | nn.GRU | nn.LSTM]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Rows(nn.Module):
    """An image's rows as time steps, from the top: (B, C, H, W) becomes (B, H, C * W)."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW.transpose(1, 2).flatten(2)


class Recurrent(nn.Module):
    """One recurrent layer: a sequence (B, T, F) becomes the sequence of its states, both directions concatenated."""

    def __init__(self, cell: Cell, features: int, units: int, bidirectional: bool) -> None:
        super().__init__()
        self.layer = CELLS[cell](features, units, batch_first=True, bidirectional=bidirectional)

    def forward(self, x_BTF: Tensor) -> Tensor:
        states_BTF: Tensor = self.layer(x_BTF)[0]
        return states_BTF


class FinalStates(nn.Module):
    """The final state of each direction, (B, T, F) to (B, F): the last step forwards, the first step backwards."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def forward(self, states_BTF: Tensor) -> Tensor:
        forward_BF, backward_BF = states_BTF[:, -1, : self.units], states_BTF[:, 0, self.units :]
        return torch.cat((forward_BF, backward_BF), dim=1)


def build_rnn(config: RnnConfig, image_shape: ImageShape, classes: int) -> Network:
    """Return a network that reads an image's rows in `depth` recurrent layers and classifies the final states.

    Raises:
        ObjectiveError: a name or an option is unknown.
    """
    channels, _, width = image_shape
    features = channels * width
    parts = {
        name: EachStep(part) if name == "input_norm" else part
        for name, part in build_input_parts(config, features, False).items()
    }
    stages: list[nn.Module] = []
    for _ in range(config.depth):
        before, units = _build_norms(config, features, "before"), config.width * (2 if config.bidirectional else 1)
        recurrent = Recurrent(config.cell, features, config.width, config.bidirectional)
        dropout = [nn.Dropout(config.dropout)] if config.dropout > 0 else []
        stages.append(nn.Sequential(*before, recurrent, *_build_norms(config, units, "after"), *dropout))
        features = units
    network = Network(
        prepare=Rows(),
        stages=prepend(parts, stages),
        pool=FinalStates(config.width),
        output=nn.Linear(features, classes),
    )
    initialize_network(network, config)
    return network


def _build_norms(config: RnnConfig, features: int, at: Position) -> list[EachStep]:
    entry, options = resolve(NORMALIZATIONS, config.normalization, "normalization")
    return [EachStep(norm) for norm in entry.build(features, False, at, **options)]
