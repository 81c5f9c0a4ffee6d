"""The residual network: the paper's form, its shortcuts, where it halves the image."""

import pytest
import torch
from torch import nn

from objectives.models.resnet import Residual, strided_blocks
from tests.objectives.models.made import layers, network


def _blocks(made: nn.Module) -> list[Residual]:
    return [module for module in made.modules() if isinstance(module, Residual)]


def _halves(block: Residual) -> bool:
    return bool(block.branch[0].stride == (2, 2))


def test_parameters_of_the_twenty_layer_form() -> None:
    """He et al. 2015, table 6: n = 3 gives 0.27 million, here with 1x1 convolutions for two shortcuts."""
    stem = 3 * 16 * 9 + 2 * 16
    first = 3 * (2 * 16 * 16 * 9 + 2 * 2 * 16)
    second = (16 * 32 * 9 + 32 * 32 * 9 + 2 * 2 * 32) + 2 * (2 * 32 * 32 * 9 + 2 * 2 * 32)
    third = (32 * 64 * 9 + 64 * 64 * 9 + 2 * 2 * 64) + 2 * (2 * 64 * 64 * 9 + 2 * 2 * 64)
    projections = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    output = 64 * 10 + 10
    assert stem + first + second + third + output == 269_722
    made = network("resnet", (3, 32, 32), depth=9, width=16, pool_rounds=2)
    assert sum(parameter.numel() for parameter in made.parameters()) == 269_722 + projections == 272_474


def test_twenty_layer_form_halves_twice() -> None:
    made = network("resnet", (3, 32, 32), depth=9, width=16, pool_rounds=2).eval()
    x = torch.randn(2, 3, 32, 32)
    shapes = []
    for stage in made.stages:
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 32, 32)] * 3 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 3
    kinds = [type(block.shortcut) for block in _blocks(made)]
    identity, projection = [nn.Identity], [nn.Sequential]
    assert kinds == identity * 3 + (projection + identity * 2) * 2


def test_the_first_stage_has_the_first_convolution() -> None:
    made = network("resnet", depth=2, pool_rounds=1)
    stem, block = layers(made.stages[0])
    assert [type(layer) for layer in stem] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert stem[0].weight.shape == (8, 1, 3, 3)
    assert isinstance(block, Residual)
    assert isinstance(made.stages[1], Residual)


def test_layers_of_a_block() -> None:
    block = _blocks(network("resnet", depth=2, pool_rounds=1))[1]
    conv, norm, relu = nn.Conv2d, nn.BatchNorm2d, nn.ReLU
    assert [type(layer) for layer in block.branch] == [conv, norm, relu, conv, norm]
    assert [type(layer) for layer in layers(block.shortcut)] == [conv, norm]
    assert [type(layer) for layer in block.activation] == [relu]
    assert layers(block.shortcut)[0].kernel_size == (1, 1)
    assert layers(block.shortcut)[0].stride == (2, 2)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_identity_is_added_before_the_activation(activation: str) -> None:
    function = {"relu": torch.relu, "tanh": torch.tanh}[activation]
    block = _blocks(network("resnet", pool_rounds=0, activation=activation))[1]
    x_BCHW = torch.randn(4, 8, 5, 5)
    block.eval()
    torch.testing.assert_close(block(x_BCHW), function(block.branch(x_BCHW) + x_BCHW))
    last = block.branch[-1]
    assert isinstance(last, nn.BatchNorm2d)
    nn.init.zeros_(last.weight)
    torch.testing.assert_close(block(x_BCHW), function(x_BCHW))


def test_a_projection_is_added_where_the_shape_changes() -> None:
    block = _blocks(network("resnet", pool_rounds=3))[1].eval()
    x_BCHW = torch.randn(4, 16, 6, 6)
    assert block(x_BCHW).shape == (4, 32, 3, 3)
    torch.testing.assert_close(block(x_BCHW), torch.relu(block.branch(x_BCHW) + block.shortcut(x_BCHW)))


def test_gated_blocks_project_everywhere() -> None:
    blocks = _blocks(network("resnet", pool_rounds=1, activation="swiglu"))
    assert all(layers(block.shortcut)[0].out_channels == block.branch[3].out_channels for block in blocks)
    assert [block.branch[3].out_channels for block in blocks] == [16, 32, 32]


@pytest.mark.parametrize(
    ("depth", "rounds", "blocks"),
    [
        (1, 0, []),
        (9, 0, []),
        (9, 2, [3, 6]),
        (27, 2, [9, 18]),
        (8, 3, [2, 4, 6]),
        (4, 1, [2]),
        (5, 2, [1, 3]),
        (3, 2, [1, 2]),
        (3, 3, [0, 1, 2]),
        (1, 1, [0]),
    ],
)
def test_strided_blocks(depth: int, rounds: int, blocks: list[int]) -> None:
    assert sorted(strided_blocks(depth, rounds)) == blocks
    if depth < 10:
        made = network("resnet", (1, 16, 16), depth=depth, width=2, pool_rounds=rounds)
        assert [index for index, block in enumerate(_blocks(made)) if _halves(block)] == blocks
        assert made.output.in_features == 2 * 2**rounds


def test_every_halving_has_a_block_of_its_own() -> None:
    for depth in range(1, 65):
        for rounds in range(depth + 1):
            strided = strided_blocks(depth, rounds)
            assert len(strided) == rounds
            assert strided <= set(range(depth))
            assert rounds == depth or 0 not in strided
