"""Initial weights: their variance against the formula, on matrices of 512 x 512."""

import math
from typing import Any

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
    "lecun_uniform": 1 / SIZE,
    "orthogonal": 1 / SIZE,
    "normal": 0.05**2,
    "torch_default": 1 / (3 * SIZE),
}
# Those that are not random numbers of one variance.
SPREAD = [name for name in INITIALIZERS if name not in ("identity", "constant")]


def _variance(name: str, fan_in: int, fan_out: int) -> float:
    """The catalogue's table, for activations without a slope; orthogonal rows or columns have length 1."""
    if name.startswith("glorot"):
        return 2 / (fan_in + fan_out)
    if name == "orthogonal":
        return 1 / max(fan_in, fan_out)
    if name == "normal":
        return 0.05**2
    return {"he": 2.0, "lecun": 1.0, "torch": 1 / 3}[name.partition("_")[0]] / fan_in


def _filled(initializer: str, outputs: int, inputs: int, slope: float = SLOPE) -> torch.Tensor:
    torch.manual_seed(5)
    layer = nn.Linear(inputs, outputs)
    initialize(layer, initializer, slope)
    return layer.weight.detach()


@pytest.mark.parametrize("name", SPREAD)
def test_variance(name: str) -> None:
    weight = _filled(name, SIZE, SIZE)
    assert weight.var().item() == pytest.approx(VARIANCES[name], rel=0.05)
    assert abs(weight.mean().item()) < 0.01 * VARIANCES[name] ** 0.5 + 1e-3


@pytest.mark.parametrize("name", SPREAD)
def test_fans_are_told_apart(name: str) -> None:
    for outputs, inputs in ((512, 128), (128, 512)):
        weight = _filled(name, outputs, inputs, slope=0.0)
        assert weight.var().item() == pytest.approx(_variance(name, inputs, outputs), rel=0.05)


@pytest.mark.parametrize("name", SPREAD)
def test_fans_of_a_convolution_count_its_kernel(name: str) -> None:
    torch.manual_seed(5)
    layer = nn.Conv2d(64, 128, 3)
    initialize(layer, name)
    # An orthogonal kernel has 128 rows of length 1 over all its 64 x 3 x 3 inputs.
    fan_in, fan_out = 64 * 9, 128 if name == "orthogonal" else 128 * 9
    assert layer.weight.var().item() == pytest.approx(_variance(name, fan_in, fan_out), rel=0.05)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_uniform", "lecun_uniform", "torch_default"])
def test_uniform_ones_end_at_root_three_deviations(name: str) -> None:
    assert _filled(name, SIZE, SIZE).abs().max().item() == pytest.approx((3 * VARIANCES[name]) ** 0.5, rel=1e-3)


@pytest.mark.parametrize("name", ["glorot_normal", "he_normal", "lecun_normal", "normal"])
def test_normal_ones_go_on(name: str) -> None:
    assert _filled(name, SIZE, SIZE).abs().max().item() > 4 * VARIANCES[name] ** 0.5


def test_orthogonal_is() -> None:
    square = _filled("orthogonal", SIZE, SIZE)
    torch.testing.assert_close(square @ square.T, torch.eye(SIZE), atol=1e-5, rtol=0)
    tall = _filled("orthogonal", SIZE, 64)
    torch.testing.assert_close(tall.T @ tall, torch.eye(64), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SPREAD)
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


@pytest.mark.parametrize("name", [name for name, entry in INITIALIZERS.items() if entry.fill_recurrent is None])
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


def _torch_layers() -> nn.ModuleList:
    torch.manual_seed(11)
    return nn.ModuleList([nn.Linear(30, 20), nn.Conv2d(3, 4, 3), nn.LSTM(9, 6, bidirectional=True), nn.GRU(9, 6)])


def test_torch_default_gives_the_layers_that_torch_makes() -> None:
    """From the same random numbers, drawn in the order in which torch draws them."""
    as_torch, layers = _torch_layers(), _torch_layers()
    for parameter in layers.parameters():
        nn.init.zeros_(parameter)
    torch.manual_seed(11)
    initialize(layers, "torch_default", biases="torch_default")
    for name, parameter in as_torch.named_parameters():
        torch.testing.assert_close(layers.get_parameter(name), parameter, msg=name)
        assert parameter.any()


def test_normal_has_the_standard_deviation_that_is_asked_for() -> None:
    made = network("rnn", (1, 4, 96), depth=1, width=64, initializer=Choice("normal", {"std": 0.3}))
    matrices = [parameter for parameter in made.parameters() if parameter.ndim > 1]
    assert len(matrices) == 3
    for matrix in matrices:  # those between time steps, too
        assert matrix.std().item() == pytest.approx(0.3, rel=0.08)


@pytest.mark.parametrize("model", MODELS)
def test_constant_weights_keep_the_units_of_a_layer_equal(model: str) -> None:
    """However long they train: the exercise's answer to whether all weights may start equal."""
    made = network(model, initializer=Choice("constant", {"weight": 0.05}))
    assert all(torch.equal(p, torch.full_like(p, 0.05)) for p in made.parameters() if p.ndim > 1)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    x_BCHW = torch.randn(20, 1, 8, 8)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(made(x_BCHW), torch.arange(20) % 10).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    features_BF = made.features(x_BCHW)
    assert features_BF.std(0).max() > 0
    torch.testing.assert_close(features_BF, features_BF[:, :1].expand_as(features_BF))


def test_identity_passes_on_inputs() -> None:
    """A linear layer's first outputs are its inputs, a convolution's its channels; further ones are he_normal."""
    torch.manual_seed(5)
    wide, narrow, convolution = nn.Linear(40, 600), nn.Linear(600, 40), nn.Conv2d(3, 300, 3, padding=1)
    recurrent = nn.RNN(8, 12, batch_first=True)
    initialize(nn.ModuleList([wide, narrow, convolution, recurrent]), "identity")
    x_BF, x_BCHW = torch.randn(50, 40), torch.randn(2, 3, 6, 5)
    torch.testing.assert_close(wide(x_BF)[:, :40], x_BF)
    torch.testing.assert_close(narrow(wide(x_BF)), x_BF)
    torch.testing.assert_close(convolution(x_BCHW)[:, :3], x_BCHW)
    assert wide.weight[40:].var().item() == pytest.approx(2 / 40, rel=0.05)
    assert convolution.weight[3:].var().item() == pytest.approx(2 / 27, rel=0.05)
    assert torch.equal(recurrent.weight_hh_l0, torch.eye(12))


@pytest.mark.parametrize("model", MODELS)
def test_biases_start_as_asked_for(model: str) -> None:
    plain: dict[str, Any] = {} if model == "rnn" else {"normalization": "none"}
    zero, other = network(model, **plain), network(model, biases=Choice("constant", {"bias": 0.7}), **plain)
    found = 0
    for name, parameter in other.named_parameters():
        is_bias, second = "bias" in name, "bias_hh" in name
        expected = torch.full_like(parameter, 0.7) if is_bias and not second else zero.get_parameter(name)
        assert torch.equal(parameter, expected), name
        assert is_bias <= (not zero.get_parameter(name).any())
        found += is_bias
    assert found >= 4


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
    with pytest.raises(ObjectiveError, match="unknown bias 'zeros'; did you mean zero"):
        network("mlp", biases="zeros")
    with pytest.raises(ObjectiveError, match=r"bias of bias 'constant' must be at most 100.0, but got 1000.0"):
        network("cnn", biases=Choice("constant", {"bias": 1000.0}))
    with pytest.raises(ObjectiveError, match="initializer 'he_normal' has no option 'gain'"):
        initialize(nn.Linear(2, 2), Choice("he_normal", {"gain": 2}), 0.0)
