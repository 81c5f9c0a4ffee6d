"""The recurrent network against torch's own layers, stacked by torch."""

import pytest
import torch
from torch import nn

from objectives.models.custom_layers import EachStep
from objectives.models.network import Network
from objectives.models.rnn import CELLS, Recurrent, Rows
from spaces import Choice
from tests.objectives.models.made import layers, network

SHAPE = (2, 7, 5)
CELL_NAMES = list(CELLS)


def _stacked(made: Network, cell: str, width: int, bidirectional: bool) -> nn.RNNBase:
    """Return torch's own layers, one above the other, with the network's weights."""
    kind: type[nn.RNN | nn.GRU | nn.LSTM] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
    depth = len(made.stages)
    stacked = kind(10, width, num_layers=depth, batch_first=True, bidirectional=bidirectional)
    weights = {}
    for level, stage in enumerate(made.stages):
        for name, parameter in layers(stage)[0].layer.named_parameters():
            weights[name.replace("_l0", f"_l{level}")] = parameter
    stacked.load_state_dict(weights)
    return stacked


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_features_are_the_final_states(cell: str, bidirectional: bool, depth: int) -> None:
    made = network("rnn", SHAPE, depth=depth, width=6, cell=cell, bidirectional=bidirectional)
    stacked = _stacked(made, cell, 6, bidirectional)
    x_BCHW = torch.randn(4, *SHAPE)
    rows_BTF = torch.stack([torch.cat([x_BCHW[:, 0, t], x_BCHW[:, 1, t]], dim=1) for t in range(7)], dim=1)
    final = stacked(rows_BTF)[1]
    final_LBF = final[0] if cell == "lstm" else final
    top = [final_LBF[-2], final_LBF[-1]] if bidirectional else [final_LBF[-1]]
    assert made.output.in_features == 6 * len(top)
    torch.testing.assert_close(made.features(x_BCHW), torch.cat(top, dim=1))


def test_rows_are_read_from_the_top_with_all_their_channels() -> None:
    x_BCHW = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    rows_BTF = Rows()(x_BCHW)
    assert rows_BTF.shape == (2, 4, 15)
    assert rows_BTF[1, 2].tolist() == [int(x_BCHW[1, c, 2, w]) for c in range(3) for w in range(5)]


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_last_row_counts(cell: str) -> None:
    made = network("rnn", SHAPE, cell=cell)
    x_BCHW = torch.randn(1, *SHAPE)
    changed = x_BCHW.clone()
    changed[:, :, -1] += 1
    assert not torch.equal(made(x_BCHW), made(changed))


def test_dropout_stands_between_the_layers_and_on_top() -> None:
    made = network("rnn", SHAPE, dropout=0.4)
    assert [[type(part).__name__ for part in layers(stage)] for stage in made.stages] == [["Recurrent", "Dropout"]] * 3
    dropped_BF = made.features(torch.randn(50, *SHAPE)) == 0
    assert 0.3 < dropped_BF.float().mean() < 0.5


def test_one_layer_is_one_stage_of_its_own() -> None:
    made = network("rnn", SHAPE, bidirectional=True)
    layers = [module for module in made.modules() if isinstance(module, nn.RNNBase)]
    assert [(layer.num_layers, layer.bidirectional) for layer in layers] == [(1, True)] * 3
    assert [layer.input_size for layer in layers] == [10, 16, 16]


@pytest.mark.parametrize("name", ["layer_norm", "batch_norm", "group_norm"])
@pytest.mark.parametrize("position", ["before", "after"])
def test_norms_stand_in_front_of_each_layer_or_behind_it_and_are_for_each_step(name: str, position: str) -> None:
    """Each step's features by the formula, in float64; batch norm's statistics are of all steps of all examples."""
    made = network("rnn", SHAPE, depth=1, width=6, normalization=Choice(name, {"position": position, **GROUPS[name]}))
    stage = layers(made.stages[0])
    assert [type(part) for part in stage] == ([EachStep, Recurrent] if position == "before" else [Recurrent, EachStep])
    x_BTF = made.prepare(torch.randn(4, *SHAPE) * 3 + 1)
    inputs_BTF = x_BTF if position == "before" else stage[0](x_BTF)
    expected_BTF = _normalize(inputs_BTF.double(), name)
    expected_BTF = stage[1](expected_BTF.float()).double() if position == "before" else expected_BTF
    torch.testing.assert_close(made.stages[0](x_BTF).double(), expected_BTF, atol=1e-5, rtol=1e-5)


GROUPS: dict[str, dict[str, int]] = {"layer_norm": {}, "batch_norm": {}, "group_norm": {"groups": 2}}


def _normalize(x_BTF: torch.Tensor, name: str) -> torch.Tensor:
    groups = x_BTF.unflatten(2, (2, -1) if name == "group_norm" else (1, -1))
    over = (0, 1) if name == "batch_norm" else (3,)
    mean, variance = groups.mean(over, keepdim=True), groups.var(over, unbiased=False, keepdim=True)
    return ((groups - mean) / (variance + 1e-5).sqrt()).flatten(2)
