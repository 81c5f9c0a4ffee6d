"""Initial weights: their variance against the formula, on matrices of 512 x 512."""

import pytest
import torch
from torch import nn

from objectives.core.errors import ObjectiveError
from objectives.core.registry import choose
from objectives.models.catalogue import MODELS
from objectives.models.initializers import INITIALIZERS
from objectives.models.layers import initialize
from spaces import Choice

SIZE, SLOPE = 512, 0.5

# Variance of a weight with equal fans, for a leaky activation of slope 0.5.
VARIANCES = {
    "glorot_uniform": 1 / SIZE,
    "glorot_normal": 1 / SIZE,
    "he_uniform": 2 / (SIZE * (1 + SLOPE**2)),
    "he_normal": 2 / (SIZE * (1 + SLOPE**2)),
    "lecun_normal": 1 / SIZE,
    "orthogonal": 1 / SIZE,
}


def _filled(initializer: str, outputs: int, inputs: int, slope: float = SLOPE) -> torch.Tensor:
    torch.manual_seed(5)
    layer = nn.Linear(inputs, outputs)
    initialize(layer, initializer, slope)
    return layer.weight.detach()


@pytest.mark.parametrize("name", INITIALIZERS)
def test_variance(name: str) -> None:
    weight = _filled(name, SIZE, SIZE)
    assert weight.var().item() == pytest.approx(VARIANCES[name], rel=0.05)
    assert abs(weight.mean().item()) < 0.01 * VARIANCES[name] ** 0.5 + 1e-3


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / (128 + 512)),
        ("glorot_normal", 2 / (128 + 512)),
        ("he_uniform", 2 / 128),
        ("he_normal", 2 / 128),
        ("lecun_normal", 1 / 128),
    ],
)
def test_fans_are_told_apart(name: str, variance: float) -> None:
    assert _filled(name, 512, 128, slope=0.0).var().item() == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_uniform"])
def test_uniform_ones_end_at_root_three_deviations(name: str) -> None:
    assert _filled(name, SIZE, SIZE).abs().max().item() == pytest.approx((3 * VARIANCES[name]) ** 0.5, rel=1e-3)


@pytest.mark.parametrize("name", ["glorot_normal", "he_normal", "lecun_normal"])
def test_normal_ones_go_on(name: str) -> None:
    assert _filled(name, SIZE, SIZE).abs().max().item() > 4 * VARIANCES[name] ** 0.5


def test_orthogonal_is() -> None:
    square = _filled("orthogonal", SIZE, SIZE)
    torch.testing.assert_close(square @ square.T, torch.eye(SIZE), atol=1e-5, rtol=0)
    tall = _filled("orthogonal", SIZE, 64)
    torch.testing.assert_close(tall.T @ tall, torch.eye(64), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_networks_start_with_it_and_with_zero_biases(model: str, name: str) -> None:
    torch.manual_seed(0)
    config = MODELS[model].config(depth=3, width=64, initializer=name, batch_norm=False)
    network = MODELS[model].build(config, (1, 16, 16), 10)
    layers = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    assert len(layers) == 4
    for layer in layers:
        assert layer.bias is not None
        assert not layer.bias.any()
    middle = layers[1].weight.detach().flatten(1)
    gain = {"he_uniform": 2, "he_normal": 2}.get(name, 1)
    fan = {"glorot_uniform": "mean", "glorot_normal": "mean"}.get(name, "in")
    fan_in, fan_out = middle.shape[1], middle.shape[0] * layers[1].weight[0, 0].numel()
    expected = gain / (fan_in if fan == "in" else (fan_in + fan_out) / 2)
    assert middle.var().item() == pytest.approx(expected, rel=0.1)


def test_he_allows_for_the_slope_of_the_activation() -> None:
    torch.manual_seed(0)
    config = MODELS["mlp"].config(depth=2, width=512, activation=Choice("leaky_relu", {"slope": 1.0}))
    network = MODELS["mlp"].build(config, (1, 4, 4), 10)
    middle = dict(network.named_parameters())["hidden.2.weight"]
    assert middle.var().item() == pytest.approx(1 / 512, rel=0.05)


def test_choice_of_initializers_trains_as_a_name_does() -> None:
    chosen = choose(INITIALIZERS, "orthogonal").spaces
    weights = []
    for initializer in ("orthogonal", Choice("orthogonal", dict(chosen["orthogonal"].domains))):
        torch.manual_seed(0)
        config = MODELS["mlp"].config(depth=1, width=8, initializer=initializer)
        weights.append(next(MODELS["mlp"].build(config, (1, 4, 4), 3).parameters()))
    assert torch.equal(weights[0], weights[1])


def test_unknown_name_or_option_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="unknown initializer 'he_norm'; did you mean he_normal"):
        _filled("he_norm", 2, 2)
    with pytest.raises(ObjectiveError, match="initializer 'he_normal' has no option 'gain'"):
        initialize(nn.Linear(2, 2), Choice("he_normal", {"gain": 2}), 0.0)
