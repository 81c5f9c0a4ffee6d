"""Normalizations: their position, what they compute, which layers lose their bias."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.models.normalizations import NORMALIZATIONS
from spaces import Choice
from tests.objectives.models.made import WITH_ACTIVATION, network

NORMS = nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm
NORMED = [name for name in NORMALIZATIONS if name != "none"]


def _affine(module: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]


def _pairs(module: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    """Each two modules that follow each other in one Sequential."""
    runs = [list(part) for part in module.modules() if isinstance(part, nn.Sequential)]
    return [pair for run in runs for pair in pairwise(run)]


@pytest.mark.parametrize("model", WITH_ACTIVATION)
def test_none_builds_nothing_and_keeps_the_biases(model: str) -> None:
    made = network(model, normalization="none")
    assert not any(isinstance(module, NORMS) for module in made.modules())
    assert all(layer.bias is not None for layer in _affine(made))


@pytest.mark.parametrize("name", NORMED)
@pytest.mark.parametrize("model", WITH_ACTIVATION)
@pytest.mark.parametrize("activation", ["relu", "swiglu"])
def test_before_the_activation_it_directly_follows_its_layer(model: str, activation: str, name: str) -> None:
    made = network(model, normalization=Choice(name, {"position": "before"}), activation=activation)
    norms = [module for module in made.modules() if isinstance(module, NORMS)]
    followed = [layer for layer, norm in _pairs(made) if isinstance(norm, NORMS)]
    assert len(norms) == len(_affine(made)) - 1
    assert set(map(id, followed)) == set(map(id, _affine(made)[:-1]))


@pytest.mark.parametrize("name", NORMED)
@pytest.mark.parametrize("model", WITH_ACTIVATION)
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Hardswish])
def test_after_the_activation_it_directly_follows_that(model: str, activation: type[nn.Module], name: str) -> None:
    chosen = {nn.ReLU: "relu", nn.Hardswish: "hardswish"}[activation]
    made = network(model, normalization=Choice(name, {"position": "after"}), activation=chosen)
    norms = [module for module in made.modules() if isinstance(module, NORMS)]
    followed = [first for first, norm in _pairs(made) if isinstance(norm, NORMS)]
    assert len(norms) == len(followed) == sum(isinstance(module, activation) for module in made.modules())
    assert all(isinstance(module, activation) for module in followed)


@pytest.mark.parametrize("model", WITH_ACTIVATION)
def test_batch_norm_replaces_the_bias_in_front_of_it_only(model: str) -> None:
    def biases(name: str, position: str) -> list[bool]:
        made = network(model, normalization=Choice(name, {"position": position}))
        return [layer.bias is not None for layer in _affine(made)]

    hidden = len(biases("batch_norm", "before")) - 1
    assert biases("batch_norm", "before") == [False] * hidden + [True]
    assert biases("batch_norm", "after") == [True] * (hidden + 1)
    assert biases("layer_norm", "before") == [True] * (hidden + 1)


@pytest.mark.parametrize("name", NORMED)
def test_a_bare_name_stands_before(name: str) -> None:
    before = network("cnn", normalization=Choice(name, {"position": "before"}))
    assert repr(network("cnn", normalization=name)) == repr(before)
    assert NORMALIZATIONS[name].space.domains["position"].choices[0] == "before"  # type: ignore[union-attr]


def _norm(name: str, features: int, *, image: bool) -> nn.Module:
    (module,) = NORMALIZATIONS[name].build(features, image, "before")
    assert NORMALIZATIONS[name].build(features, image, "after") == []
    return module


EPS = 1e-5


def test_batch_norm_is_over_the_batch() -> None:
    x_BF = torch.randn(64, 5) * 3 + 2
    expected = (x_BF - x_BF.mean(0)) / (x_BF.var(0, unbiased=False) + EPS).sqrt()
    torch.testing.assert_close(_norm("batch_norm", 5, image=False)(x_BF), expected)
    x_BCHW = torch.randn(8, 5, 4, 3) * 3 + 2
    mean, variance = x_BCHW.mean((0, 2, 3), keepdim=True), x_BCHW.var((0, 2, 3), unbiased=False, keepdim=True)
    expected = (x_BCHW - mean) / (variance + EPS).sqrt()
    torch.testing.assert_close(_norm("batch_norm", 5, image=True)(x_BCHW), expected)


@pytest.mark.parametrize("shape", [(8, 5), (8, 5, 4, 3)])
def test_layer_norm_is_over_one_example(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape) * 3 + 2
    rest = tuple(range(1, len(shape)))
    expected = (x - x.mean(rest, keepdim=True)) / (x.var(rest, unbiased=False, keepdim=True) + EPS).sqrt()
    torch.testing.assert_close(_norm("layer_norm", 5, image=len(shape) == 4)(x), expected)


def _formula(x: torch.Tensor, over: tuple[int, ...]) -> torch.Tensor:
    """Mean 0 and variance 1 over some dimensions, in float64."""
    x = x.double()
    return (x - x.mean(over, keepdim=True)) / (x.var(over, unbiased=False, keepdim=True) + EPS).sqrt()


@pytest.mark.parametrize(("name", "over"), [("layer_norm", (1, 2, 3)), ("channel_norm", (1,))])
def test_the_books_two_layer_norms_of_images(name: str, over: tuple[int, ...]) -> None:
    """Over an image's channels and positions at once (Wu & He 2018, one group), or over each position's channels."""
    x_BCHW = torch.randn(8, 5, 4, 3) * torch.tensor([1.0, 2, 3, 4, 5]).view(5, 1, 1) + 2
    got = _norm(name, 5, image=True)(x_BCHW)
    torch.testing.assert_close(got.double(), _formula(x_BCHW, over), atol=1e-5, rtol=1e-5)
    vectors_BF = x_BCHW[:, :, 0, 0]
    as_torch = nn.functional.layer_norm(vectors_BF, (5,))
    torch.testing.assert_close(_norm(name, 5, image=False)(vectors_BF), as_torch)


def test_a_channel_norms_scale_and_shift_are_the_channels() -> None:
    module, x_BCHW = _norm("channel_norm", 5, image=True), torch.randn(2, 5, 4, 3)
    plain = module(x_BCHW)
    with torch.no_grad():
        module.weight.copy_(torch.arange(5.0))  # type: ignore[union-attr, operator, arg-type]
    torch.testing.assert_close(module(x_BCHW), plain * torch.arange(5.0).view(5, 1, 1))


@pytest.mark.parametrize("image", [False, True])
@pytest.mark.parametrize(("features", "asked", "groups"), [(24, 8, 8), (24, 10, 8), (7, 8, 1), (8, 8, 4), (3, 4, 1)])
def test_group_norm_has_as_many_equal_groups_as_there_can_be(
    features: int, asked: int, groups: int, image: bool
) -> None:
    (module,) = NORMALIZATIONS["group_norm"].build(features, image, "before", groups=asked)
    x = torch.randn((6, features, 4, 3) if image else (6, features)) * 3 + 2
    expected = _formula(x.reshape(6, groups, -1), (2,)).reshape(x.shape)
    torch.testing.assert_close(module(x).double(), expected, atol=1e-5, rtol=1e-5)
    assert NORMALIZATIONS["group_norm"].build(features, image, "after") == []


def test_momentum_of_batch_norm_is_the_newest_batchs_weight() -> None:
    (module,) = NORMALIZATIONS["batch_norm"].build(5, False, "before", bn_momentum=0.4)
    assert _norm("batch_norm", 5, image=False).momentum == 0.1
    mean_F, variance_F = torch.zeros(5, dtype=torch.float64), torch.ones(5, dtype=torch.float64)
    for _ in range(3):
        x_BF = torch.randn(64, 5) * 3 + 2
        module(x_BF)
        mean_F = 0.6 * mean_F + 0.4 * x_BF.double().mean(0)
        variance_F = 0.6 * variance_F + 0.4 * x_BF.double().var(0)
    torch.testing.assert_close(module.running_mean.double(), mean_F, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(module.running_var.double(), variance_F, atol=1e-5, rtol=1e-5)
    made = network("cnn", normalization=Choice("batch_norm", {"bn_momentum": 0.4}))
    assert {norm.momentum for norm in made.modules() if isinstance(norm, nn.BatchNorm2d)} == {0.4}


def test_unknown_name_option_or_place_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="unknown normalization 'batchnorm'; did you mean batch_norm"):
        network("mlp", normalization="batchnorm")
    with pytest.raises(ObjectiveError, match="normalization 'none' has no option 'position'"):
        network("mlp", normalization=Choice("none", {"position": "before"}))
    with pytest.raises(ObjectiveError, match="position of normalization 'layer_norm' must be one of before,after"):
        network("mlp", normalization=Choice("layer_norm", {"position": "behind"}))
