"""Activations against their formulas in double precision."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.core.conditions import check_conditions
from objectives.models.activations import ACTIVATIONS, ActivationEntry
from objectives.models.custom_layers import SquaredRelu, Swish
from objectives.models.layers import build_activation, count_widening, find_slope
from spaces import Categorical, Choice, Domain, Fixed, Float, Space
from tests.objectives.models.made import network

POINTS = [-30.0, -5.0, -3.0, -1.5, -1.0, -0.3, -1e-4, 0.0, 1e-4, 0.3, 1.0, 1.5, 3.0, 5.0, 30.0]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. 2017, equation 14


def _elu(x: float, alpha: float) -> float:
    return x if x > 0 else alpha * math.expm1(x)


def _leaky(x: float, slope: float) -> float:
    return x if x > 0 else slope * x


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# Each entry with options other than its defaults, in evaluation mode; swiglu takes two numbers.
FORMULAS: dict[str, tuple[Choice, Callable[[float], float]]] = {
    "relu": (Choice("relu"), lambda x: max(0.0, x)),
    "leaky_relu": (Choice("leaky_relu", {"slope": 0.2}), lambda x: _leaky(x, 0.2)),
    "rrelu": (Choice("rrelu", {"lower": 0.1, "upper": 0.5}), lambda x: _leaky(x, 0.3)),
    "prelu": (Choice("prelu"), lambda x: _leaky(x, 0.25)),
    "elu": (Choice("elu", {"alpha": 0.7}), lambda x: _elu(x, 0.7)),
    "selu": (Choice("selu"), lambda x: SELU_SCALE * _elu(x, SELU_ALPHA)),
    "gelu": (Choice("gelu"), lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2),
    "silu": (Choice("silu"), lambda x: x * _sigmoid(x)),
    "swish": (Choice("swish", {"beta": 1.7}), lambda x: x * _sigmoid(1.7 * x)),
    "mish": (Choice("mish"), lambda x: x * math.tanh(math.log1p(math.exp(x)))),
    "relu_squared": (Choice("relu_squared"), lambda x: max(0.0, x) ** 2),
    "tanh": (Choice("tanh"), math.tanh),
    "sigmoid": (Choice("sigmoid"), _sigmoid),
    "hardswish": (Choice("hardswish"), lambda x: x * min(max(x + 3, 0.0), 6.0) / 6),
    "hardtanh": (Choice("hardtanh"), lambda x: min(max(x, -1.0), 1.0)),
    "hardsigmoid": (Choice("hardsigmoid"), lambda x: min(max(x + 3, 0.0), 6.0) / 6),
}
DEFAULTS: dict[str, Callable[[float], float]] = {
    "leaky_relu": lambda x: _leaky(x, 0.01),
    "rrelu": lambda x: _leaky(x, (1 / 8 + 1 / 3) / 2),
    "elu": lambda x: _elu(x, 1.0),
    "swish": lambda x: x * _sigmoid(x),
}


def _values(choice: Choice | str, dtype: torch.dtype) -> list[float]:
    module = build_activation(choice).to(dtype).eval()
    values: list[float] = module(torch.tensor([POINTS], dtype=dtype))[0].tolist()
    return values


@pytest.mark.parametrize("name", [name for name, entry in ACTIVATIONS.items() if entry.widens == 1])
def test_formula(name: str) -> None:
    choice, formula = FORMULAS[name]
    expected = [formula(x) for x in POINTS]
    assert _values(choice, torch.float64) == pytest.approx(expected, rel=0, abs=1e-6)
    assert _values(choice, torch.float32) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    bare = DEFAULTS.get(name, formula)
    assert _values(name, torch.float64) == pytest.approx([bare(x) for x in POINTS], rel=0, abs=1e-6)


GATED: list[tuple[Choice, Callable[[float, float], float]]] = [
    (Choice("swiglu"), lambda x, y: x * _sigmoid(x) * y),
    (Choice("swiglu", {"beta": 1.7}), lambda x, y: x * _sigmoid(1.7 * x) * y),
    (Choice("swiglu", {"beta": 0.6, "learned": True}), lambda x, y: x * _sigmoid(0.6 * x) * y),
    (Choice("glu"), lambda x, y: x * _sigmoid(y)),
]


@pytest.mark.parametrize(("choice", "formula"), GATED, ids=["swiglu", "beta", "learned", "glu"])
def test_gated_ones_split_the_features_in_two_halves(choice: Choice, formula: Callable[[float, float], float]) -> None:
    module = build_activation(choice).to(torch.float64)
    first_BF = torch.tensor([POINTS, POINTS[::-1]], dtype=torch.float64)
    second_BF = torch.arange(2 * len(POINTS), dtype=torch.float64).reshape(2, -1) - 7.3
    expected = [
        [formula(x, y) for x, y in zip(xs, ys, strict=True)]
        for xs, ys in zip(first_BF.tolist(), second_BF.tolist(), strict=True)
    ]
    got_BF = module(torch.cat((first_BF, second_BF), dim=1))
    # A parameter is a float32 number, such as 0.6, before it becomes a float64 one.
    torch.testing.assert_close(got_BF, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=1e-6)
    z_BCHW = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    single_BF = module(z_BCHW.permute(0, 2, 3, 1).reshape(-1, 6))
    torch.testing.assert_close(module(z_BCHW).permute(0, 2, 3, 1).reshape(-1, 3), single_BF)


def test_exactly_gated_ones_widen_the_layer_in_front() -> None:
    assert {name: count_widening(name) for name in ACTIVATIONS} == {
        name: 2 if name in ("swiglu", "glu") else 1 for name in ACTIVATIONS
    }


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_half_precision_stays_half(name: str) -> None:
    """In a bfloat16 trial, activations have float32 parameters."""
    choices = [Choice(name), *([Choice(name, {"learned": True})] if name in ("swish", "swiglu") else [])]
    for choice in choices:
        network = nn.Sequential(nn.Linear(6, 8), build_activation(choice))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = network(torch.randn(4, 6))
        assert out.dtype == torch.bfloat16
        out.float().sum().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())


def test_random_slope_is_random_in_training_only() -> None:
    module = build_activation(Choice("rrelu", {"lower": 0.1, "upper": 0.5}))
    x = -torch.ones(1, 10_000)
    slopes = -module(x)
    assert 0.1 <= slopes.min() < 0.11
    assert 0.49 < slopes.max() <= 0.5
    assert torch.equal(module.eval()(x), module(x))


def test_random_slope_has_limits_that_keep_lower_below_upper() -> None:
    for option, value in (("lower", 0.3), ("upper", 0.2)):
        with pytest.raises(ObjectiveError, match=f"{option} of activation 'rrelu' must be at .* 0.25, but got"):
            build_activation(Choice("rrelu", {option: value}))


def _fitted(module: nn.Module, target: Callable[[torch.Tensor], torch.Tensor], points: int = 201) -> float:
    """The module's one parameter after gradient descent to the target."""
    (parameter,) = module.parameters()
    optimizer = torch.optim.LBFGS([parameter], line_search_fn="strong_wolfe", tolerance_change=1e-12)
    x = torch.linspace(-3, 3, points)[None]

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        error = nn.functional.mse_loss(module(x), target(x))
        error.backward()  # type: ignore[no-untyped-call]
        return error

    for _ in range(5):
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    return parameter.item()


def test_learned_beta_learns() -> None:
    module = build_activation(Choice("swish", {"beta": 0.5, "learned": True}))
    assert next(module.parameters()).item() == 0.5
    assert _fitted(module, lambda x: x * torch.sigmoid(2.5 * x)) == pytest.approx(2.5, abs=1e-3)
    assert repr(module).startswith("Swish(beta=2.")
    assert repr(module).endswith(", learned=True)")
    assert list(build_activation(Choice("swish", {"beta": 0.5})).parameters()) == []
    assert repr(Swish(0.5)) == "Swish(beta=0.5, learned=False)"


def test_swiglu_learns_its_beta() -> None:
    module = build_activation(Choice("swiglu", {"beta": 0.5, "learned": True}))

    def target(z: torch.Tensor) -> torch.Tensor:
        gate, value = z.chunk(2, dim=1)
        return gate * torch.sigmoid(2.5 * gate) * value

    assert _fitted(module, target, points=200) == pytest.approx(2.5, abs=1e-3)
    assert not list(build_activation("swiglu").state_dict())


def test_learned_slope_learns() -> None:
    learned = _fitted(build_activation("prelu"), lambda x: torch.where(x > 0, x, 0.6 * x))
    assert learned == pytest.approx(0.6, abs=1e-3)


@pytest.mark.parametrize("name", ["prelu", "swish"])
def test_each_layer_learns_its_own(name: str) -> None:
    choice = Choice("swish", {"learned": True}) if name == "swish" else Choice(name)
    # Parameters with fewer than two dimensions take no weight decay.
    single = [p for p in network("mlp", activation=choice).parameters() if p.numel() == 1]
    assert len(single) == 3
    assert all(parameter.ndim < 2 for parameter in single)


def test_unknown_name_or_option_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="unknown activation 'rleu'; did you mean relu"):
        build_activation("rleu")
    with pytest.raises(ObjectiveError, match="activation 'relu' has no option 'slope'"):
        build_activation(Choice("relu", {"slope": 0.1}))


def test_slope_is_that_of_leaky_activations() -> None:
    leaky = {"leaky_relu": 0.01, "rrelu": (1 / 8 + 1 / 3) / 2, "prelu": 0.25}
    assert {name: find_slope(name) for name in ACTIVATIONS} == {name: leaky.get(name, 0.0) for name in ACTIVATIONS}
    assert find_slope(Choice("leaky_relu", {"slope": 0.2})) == 0.2
    assert find_slope(Choice("rrelu", {"lower": 0.2, "upper": 0.4})) == pytest.approx(0.3)


ALONE: dict[str, Domain] = {"activation": Fixed("selu"), "initializer": Fixed("lecun_normal")}
PLAIN = {
    "model": "mlp",
    "normalization": "none",
    "biases": "zero",
    "input_norm": None,
    "input_dropout": 0.0,
    "dropout": 0.0,
    "l1": 0.0,
    "l2": 0.0,
    "max_norm": 0.0,
}


def test_selu_alone_is_let_be() -> None:
    check_conditions(Space(ALONE), PLAIN)
    check_conditions(Space({**ALONE, "alpha_dropout": Float(0.0, 0.2)}), PLAIN)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"initializer": Fixed("he_normal")}, "needs initializer lecun_normal, but .* initializer he_normal"),
        ({"initializer": Categorical("lecun_normal", "orthogonal")}, "needs .* lecun_normal, but .* orthogonal"),
        ({"normalization": Categorical("none", "batch_norm")}, "needs normalization none, but .* batch_norm"),
        ({"normalization": Fixed("layer_norm")}, "needs normalization none, but .* layer_norm"),
        ({"biases": Fixed("constant")}, "needs biases zero, but .* biases constant"),
        ({"input_norm": Categorical(None, "batch_norm")}, "needs input_norm None, but .* input_norm batch_norm"),
        ({"input_dropout": Fixed(0.2)}, "needs input_dropout 0, but .* input_dropout 0.2"),
        ({"dropout": Float(0.0, 0.5)}, "needs dropout 0, but .* dropout 0.5"),
        ({"l1": Float(1e-7, 1e-3)}, "needs l1 0, but .* l1 1e-07"),
        ({"l2": Fixed(1e-4)}, "needs l2 0, but .* l2 0.0001"),
        ({"max_norm": Float(0.0, 4.0)}, "needs max_norm 0, but .* max_norm 4.0"),
        ({"activation": Categorical("relu", "selu"), "l2": Fixed(1e-4)}, "needs l2 0"),
    ],
)
def test_selu_says_what_would_break_it(broken: dict[str, Domain], message: str) -> None:
    with pytest.raises(ObjectiveError, match=f"activation 'selu' {message}"):
        check_conditions(Space({**ALONE, **broken}), PLAIN)


@pytest.mark.parametrize("model", ["cnn", "resnet"])
def test_selu_is_for_perceptrons(model: str) -> None:
    with pytest.raises(ObjectiveError, match=f"activation 'selu' needs model mlp, but .* model {model}"):
        check_conditions(Space(ALONE), {**PLAIN, "model": model})


def test_adding_one_is_one_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of torch's own will do as a builder."""
    entry = ActivationEntry(build=nn.Softsign, description="x / (1 + |x|)")
    monkeypatch.setitem(ACTIVATIONS, "softsign", entry)
    made = network("mlp", (1, 2, 2), depth=2, activation="softsign")
    assert sum(isinstance(module, nn.Softsign) for module in made.modules()) == 2
    assert not any(isinstance(module, SquaredRelu) for module in made.modules())
