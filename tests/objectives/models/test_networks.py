"""Every network: shapes, gradients, options, and the sizes that are refused."""

import pytest
import torch
from torch import nn

from objectives.core.errors import ObjectiveError
from objectives.models.activations import ACTIVATIONS
from objectives.models.catalogue import MODELS
from objectives.models.cnn import Cnn, pooled_blocks
from objectives.models.config import CnnConfig, MlpConfig
from objectives.models.mlp import Mlp
from spaces import Choice

SHAPES = [(1, 8, 8), (3, 9, 12)]


def _network(model: str, shape: tuple[int, int, int] = (1, 8, 8), **options: object) -> nn.Module:
    torch.manual_seed(0)
    config = MODELS[model].config(**{"depth": 3, "width": 8, **options})
    return MODELS[model].build(config, shape, 10)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_shape_and_gradient(model: str, activation: str, shape: tuple[int, int, int]) -> None:
    network = _network(model, shape, activation=activation)
    logits_BK = network(torch.randn(5, *shape))
    assert logits_BK.shape == (5, 10)
    assert logits_BK.dtype == torch.float32
    nn.functional.cross_entropy(logits_BK, torch.arange(5)).backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    first = next(network.parameters()).grad
    assert first is not None
    assert first.abs().sum() > 0


@pytest.mark.parametrize("model", MODELS)
def test_the_seed_alone_decides_the_weights(model: str) -> None:
    one, same = _network(model), _network(model)
    torch.manual_seed(1)
    config = MODELS[model].config(depth=3, width=8)
    other = MODELS[model].build(config, (1, 8, 8), 10)
    weights = [next(network.parameters()) for network in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("model", MODELS)
def test_batch_norm_takes_the_place_of_the_bias(model: str) -> None:
    norms = nn.BatchNorm1d | nn.BatchNorm2d
    for batch_norm in (False, True):
        modules = list(_network(model, batch_norm=batch_norm).modules())
        layers = [module for module in modules if isinstance(module, nn.Linear | nn.Conv2d)]
        assert [layer.bias is None for layer in layers] == [batch_norm] * 3 + [False]
        assert sum(isinstance(module, norms) for module in modules) == (3 if batch_norm else 0)


@pytest.mark.parametrize("model", MODELS)
def test_dropout_acts_in_training_only(model: str) -> None:
    x_BCHW = torch.randn(4, 1, 8, 8)
    network = _network(model, dropout=0.5, batch_norm=False)
    assert not torch.equal(network(x_BCHW), network(x_BCHW))
    network.eval()
    assert torch.equal(network(x_BCHW), network(x_BCHW))
    network = _network(model, dropout=0.0, batch_norm=False)
    assert torch.equal(network(x_BCHW), network(x_BCHW))


def test_layers_of_the_mlp() -> None:
    network = _network(
        "mlp", depth=2, batch_norm=True, dropout=0.1, activation=Choice("leaky_relu", {"slope": 0.2})
    )
    assert isinstance(network, Mlp)
    kinds = [type(layer).__name__ for layer in network.hidden]
    assert kinds == ["Linear", "BatchNorm1d", "LeakyReLU", "Dropout"] * 2
    assert network.hidden[0].weight.shape == (8, 64)
    assert network.output.weight.shape == (10, 8)
    assert network.hidden[2].negative_slope == 0.2


def test_layers_of_the_cnn() -> None:
    network = _network("cnn", depth=4, width=6, pool_rounds=2, batch_norm=False)
    assert isinstance(network, Cnn)
    widths = [layer.out_channels for layer in network.blocks if isinstance(layer, nn.Conv2d)]
    assert widths == [6, 6, 12, 12]
    assert network.output.weight.shape == (10, 12)
    kinds = [type(layer).__name__ for layer in network.blocks]
    assert kinds == ["Conv2d", "ReLU", "Conv2d", "ReLU", "MaxPool2d"] * 2


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


@pytest.mark.parametrize(
    ("shape", "most"), [((1, 8, 8), 3), ((3, 32, 32), 5), ((1, 28, 28), 4), ((1, 7, 30), 2), ((1, 1, 1), 0)]
)
def test_pooling_below_one_pixel_is_refused(shape: tuple[int, int, int], most: int) -> None:
    network = _network("cnn", shape, depth=6, pool_rounds=most)
    assert network(torch.randn(2, *shape)).shape == (2, 10)
    with pytest.raises(ObjectiveError, match=f"{most + 1} rounds of pooling would shrink .* use at most {most}"):
        _network("cnn", shape, depth=6, pool_rounds=most + 1)


@pytest.mark.parametrize("config", [MlpConfig, CnnConfig])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth and width must be at least 1, but got depth=0, width=8"),
        ({"width": 0}, "but got depth=3, width=0"),
        ({"dropout": 1.0}, "0 <= dropout < 1 must hold, but got dropout=1.0"),
        ({"dropout": -0.1}, "but got dropout=-0.1"),
    ],
)
def test_impossible_sizes_are_refused(config: type[MlpConfig], options: dict[str, object], message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        config(**{"depth": 3, "width": 8, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("rounds", [-1, 4])
def test_more_pooling_than_blocks_is_refused(rounds: int) -> None:
    with pytest.raises(ObjectiveError, match=f"0 <= pool_rounds <= depth must hold, but got {rounds} and 3"):
        CnnConfig(depth=3, width=8, pool_rounds=rounds)
