"""Initial weights: their variance against the formula, on matrices of 512 x 512."""

import math

import pytest
import torch
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.base.registry import choose
from objectives.models.catalogue import MODELS
from objectives.models.initializers import INITIALIZERS
from objectives.models.layers import initialize
from spaces import Choice
from tests.objectives.models.made import WITH_ACTIVATION, layers, network

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


def _variance(name: str, fan_in: int, fan_out: int) -> float:
    """The catalogue's table, for activations without a slope; orthogonal rows or columns have length 1."""
    if name.startswith("glorot"):
        return 2 / (fan_in + fan_out)
    if name == "orthogonal":
        return 1 / max(fan_in, fan_out)
    return (2 if name.startswith("he") else 1) / fan_in


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


@pytest.mark.parametrize("name", INITIALIZERS)
def test_fans_are_told_apart(name: str) -> None:
    for outputs, inputs in ((512, 128), (128, 512)):
        weight = _filled(name, outputs, inputs, slope=0.0)
        assert weight.var().item() == pytest.approx(_variance(name, inputs, outputs), rel=0.05)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_fans_of_a_convolution_count_its_kernel(name: str) -> None:
    torch.manual_seed(5)
    layer = nn.Conv2d(64, 128, 3)
    initialize(layer, name)
    # An orthogonal kernel has 128 rows of length 1 over all its 64 x 3 x 3 inputs.
    fan_in, fan_out = 64 * 9, 128 if name == "orthogonal" else 128 * 9
    assert layer.weight.var().item() == pytest.approx(_variance(name, fan_in, fan_out), rel=0.05)


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
@pytest.mark.parametrize("model", WITH_ACTIVATION)
def test_networks_start_with_it_and_with_zero_biases(model: str, name: str) -> None:
    made = network(model, (1, 16, 16), width=64, initializer=name, normalization="none")
    layers = [module for module in made.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    assert layers[-1] is made.output
    for layer in layers:
        assert layer.bias is not None
        assert not layer.bias.any()
    middle = layers[1].weight.detach()
    area = middle[0, 0].numel()
    fan_in, fan_out = middle[0].numel(), len(middle) * (1 if name == "orthogonal" else area)
    assert middle.var().item() == pytest.approx(_variance(name, fan_in, fan_out), rel=0.1)


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_recurrent_layers_start_gate_by_gate(cell: str, name: str) -> None:
    made = network("rnn", (1, 4, 96), depth=1, width=64, cell=cell, bidirectional=True, initializer=name)
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[cell]
    parameters = dict(made.stages[0].named_parameters())
    assert len(parameters) == 8
    for parameter_name, parameter in parameters.items():
        assert len(parameter) == gates * 64
        for gate in parameter.detach().reshape(gates, 64, -1):
            if "bias" in parameter_name:
                assert not gate.any()
            elif "weight_hh" in parameter_name:
                torch.testing.assert_close(gate @ gate.T, torch.eye(64), atol=1e-5, rtol=0)
            else:
                assert gate.var().item() == pytest.approx(_variance(name, 96, 64), rel=0.1)
    assert not made.output.bias.any()


@pytest.mark.parametrize(
    ("activation", "slope"),
    [
        (Choice("leaky_relu", {"slope": 1.0}), 1.0),
        ("prelu", 0.25),
        (Choice("rrelu", {"lower": 0.25, "upper": 1.0}), 0.625),
        ("relu", 0.0),
        ("gelu", 0.0),
    ],
)
@pytest.mark.parametrize("initializer", ["he_normal", "he_uniform"])
def test_he_allows_for_the_slope_of_the_activation(initializer: str, activation: Choice | str, slope: float) -> None:
    made = network("mlp", depth=2, width=512, initializer=initializer, activation=activation)
    middle = layers(made.stages[1])[0].weight
    assert middle.var().item() == pytest.approx(2 / (512 * (1 + slope**2)), rel=0.02)


@pytest.mark.parametrize("model", MODELS)
def test_output_scale_is_for_the_output_layer_alone(model: str) -> None:
    plain, scaled = network(model).state_dict(), network(model, output_scale=0.1).state_dict()
    for name, tensor in plain.items():
        factor = 0.1 if name == "output.weight" else 1
        torch.testing.assert_close(scaled[name], tensor * factor, atol=0, rtol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_output_scale_gives_a_first_loss_of_knowing_nothing(model: str) -> None:
    torch.manual_seed(1)
    x_BCHW, y_B = torch.randn(500, 1, 8, 8), torch.randint(10, (500,))
    with torch.no_grad():
        small = nn.functional.cross_entropy(network(model, width=64, output_scale=0.1)(x_BCHW), y_B).item()
        large = nn.functional.cross_entropy(network(model, width=64, output_scale=10.0)(x_BCHW), y_B).item()
    assert small == pytest.approx(math.log(10), abs=0.03)
    assert large > math.log(10) + 0.2


def _layers_of_selu(initializer: str) -> list[torch.Tensor]:
    made = network("mlp", (1, 20, 20), depth=100, width=100, activation="selu", initializer=initializer)
    x_BCHW = torch.randn(1000, 1, 20, 20)
    states = [made.prepare((x_BCHW - x_BCHW.mean()) / x_BCHW.std())]
    with torch.no_grad():
        for layer in made.stages:
            states.append(layer(states[-1]))
    return states[1:]


def _normalized(layers: list[torch.Tensor]) -> list[bool]:
    return [abs(x.mean().item()) < 0.2 and 0.7 <= x.std().item() <= 1.3 for x in layers]


def test_selu_normalizes_itself_over_a_hundred_layers() -> None:
    kept = _normalized(_layers_of_selu("lecun_normal"))
    assert len(kept) == 100
    assert all(kept)


@pytest.mark.parametrize("initializer", ["he_normal", "he_uniform"])
def test_selu_does_not_with_an_initializer_that_is_not_its_own(initializer: str) -> None:
    assert not _normalized(_layers_of_selu(initializer))[-1]


def test_choice_of_initializers_trains_as_a_name_does() -> None:
    chosen = choose(INITIALIZERS, "orthogonal").spaces
    options = dict(chosen["orthogonal"].domains)
    name, choice = (
        network("mlp", initializer="orthogonal"),
        network("mlp", initializer=Choice("orthogonal", options)),
    )
    assert torch.equal(next(name.parameters()), next(choice.parameters()))


def test_unknown_name_or_option_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="unknown initializer 'he_norm'; did you mean he_normal"):
        _filled("he_norm", 2, 2)
    with pytest.raises(ObjectiveError, match="initializer 'he_normal' has no option 'gain'"):
        initialize(nn.Linear(2, 2), Choice("he_normal", {"gain": 2}), 0.0)
