"""The convolutional network: its blocks, and where they pool."""

import pytest
import torch
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.models.cnn import pooled_blocks
from tests.objectives.models.made import Shape, layers, network


def _kinds(stage: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in layers(stage)]


def test_layers() -> None:
    made = network("cnn", depth=4, width=6, pool_rounds=2, normalization="none")
    assert [_kinds(stage) for stage in made.stages] == [["Conv2d", "ReLU"], ["Conv2d", "ReLU", "MaxPool2d"]] * 2
    assert [layers(stage)[0].out_channels for stage in made.stages] == [6, 6, 12, 12]
    assert made.output.weight.shape == (10, 12)


def test_the_output_layer_sees_the_average_over_the_image() -> None:
    made = network("cnn", pool_rounds=1, dropout=0.3).eval()
    x_BCHW = torch.randn(4, 1, 8, 8)
    states = x_BCHW
    for stage in made.stages:
        states = stage(states)
    assert states.shape == (4, 8, 4, 4)
    torch.testing.assert_close(made.features(x_BCHW), states.mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("depth", "rounds", "blocks"),
    [
        (1, 0, []),
        (6, 0, []),
        (1, 1, [0]),
        (3, 1, [2]),
        (4, 2, [1, 3]),
        (5, 2, [1, 4]),
        (6, 2, [2, 5]),
        (5, 3, [0, 2, 4]),
        (7, 3, [1, 3, 6]),
        (3, 3, [0, 1, 2]),
        (8, 4, [1, 3, 5, 7]),
    ],
)
def test_pooled_blocks(depth: int, rounds: int, blocks: list[int]) -> None:
    assert sorted(pooled_blocks(depth, rounds)) == blocks


def test_every_round_of_pooling_has_a_block_of_its_own() -> None:
    for depth in range(1, 65):
        for rounds in range(depth + 1):
            assert len(pooled_blocks(depth, rounds)) == rounds


@pytest.mark.parametrize("model", ["cnn", "resnet"])
@pytest.mark.parametrize(
    ("shape", "most"), [((1, 8, 8), 3), ((3, 32, 32), 5), ((1, 28, 28), 4), ((1, 7, 30), 2), ((1, 1, 1), 0)]
)
def test_pooling_below_one_pixel_is_refused(model: str, shape: Shape, most: int) -> None:
    made = network(model, shape, depth=6, width=2, pool_rounds=most)
    assert made(torch.randn(2, *shape)).shape == (2, 10)
    with pytest.raises(ObjectiveError) as caught:
        network(model, shape, depth=6, width=2, pool_rounds=most + 1)
    assert str(caught.value) == (
        f"pooling must leave at least 1x1 pixels, but pool_rounds={most + 1} is too much for {shape[1]}x{shape[2]} "
        f"images; use pool_rounds={most} at most"
    )
