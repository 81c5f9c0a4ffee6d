"""Every network: shapes, gradients, seeds, dropout."""

from typing import Any

import pytest
import torch
from torch import nn

from objectives.models.activations import ACTIVATIONS
from objectives.models.catalogue import MODELS
from objectives.models.network import Network
from spaces import Choice
from tests.objectives.models.made import WITH_ACTIVATION, Shape, network

SHAPES = [(1, 8, 8), (3, 9, 12)]
EVERY: list[tuple[str, dict[str, Any]]] = [
    (model, {"activation": name}) for model in WITH_ACTIVATION for name in ACTIVATIONS
] + [("rnn", {"cell": cell, "bidirectional": both}) for cell in ("rnn", "gru", "lstm") for both in (False, True)]
EVERY += [
    (model, {"normalization": Choice(name, {"position": position}), "activation": "swiglu"})
    for model in WITH_ACTIVATION
    for name in ("batch_norm", "layer_norm")
    for position in ("before", "after")
]
EVERY += [
    ("rnn", {"normalization": Choice(name, {"position": position}), "bidirectional": position == "after"})
    for name in ("batch_norm", "layer_norm", "group_norm")
    for position in ("before", "after")
]
EVERY += [(model, {"input_norm": norm}) for model in MODELS for norm in ("batch_norm", "layer_norm")]
EVERY += [
    (model, {"whitening": side, "activation": activation})
    for model in ("cnn", "resnet")
    for side, activation in ((2, "gelu"), (3, "glu"))
]


@pytest.mark.parametrize(("model", "options"), EVERY, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_shape_and_gradient(model: str, options: dict[str, Any], shape: Shape) -> None:
    made = network(model, shape, **options)
    logits_BK = made(torch.randn(5, *shape))
    assert logits_BK.shape == (5, 10)
    assert logits_BK.dtype == torch.float32
    nn.functional.cross_entropy(logits_BK, torch.arange(5)).backward()  # type: ignore[no-untyped-call]
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    first = next(made.parameters()).grad
    assert first is not None
    assert first.abs().sum() > 0


@pytest.mark.parametrize(("model", "options"), EVERY, ids=str)
def test_the_seed_alone_decides_the_weights(model: str, options: dict[str, Any]) -> None:
    one, same, other = (network(model, seed=seed, **options).state_dict() for seed in (3, 3, 4))
    assert one.keys() == same.keys() == other.keys()
    assert all(torch.equal(one[name], same[name]) for name in one)
    # The filters of a whitening layer follow from images.
    matrices = [name for name, tensor in one.items() if tensor.ndim > 1 and "whitening" not in name]
    assert not any(torch.equal(one[name], other[name]) for name in matrices)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_network_has_as_many_stages_as_its_depth(model: str, depth: int) -> None:
    options: dict[str, Any] = {} if model in ("mlp", "rnn") else {"pool_rounds": 1}
    made = network(model, depth=depth, **options)
    assert isinstance(made, Network)
    assert len(made.stages) == depth
    assert all(any(True for _ in stage.parameters()) for stage in made.stages)
    outside = {name.partition(".")[0] for name, _ in made.named_parameters()} - {"stages"}
    assert outside == {"output"}


@pytest.mark.parametrize("model", MODELS)
def test_features_are_what_the_output_layer_sees(model: str) -> None:
    made = network(model).eval()
    x_BCHW = torch.randn(4, 1, 8, 8)
    features_BF = made.features(x_BCHW)
    assert features_BF.shape == (4, made.output.in_features)
    torch.testing.assert_close(made(x_BCHW), features_BF @ made.output.weight.T + made.output.bias)


@pytest.mark.parametrize("model", MODELS)
def test_dropout_acts_in_training_only(model: str) -> None:
    plain: dict[str, Any] = {} if model == "rnn" else {"normalization": "none"}
    x_BCHW = torch.randn(4, 1, 8, 8)
    made = network(model, dropout=0.5, **plain)
    assert not torch.equal(made(x_BCHW), made(x_BCHW))
    made.eval()
    assert torch.equal(made(x_BCHW), made(x_BCHW))
    torch.testing.assert_close(made(x_BCHW), network(model, **plain)(x_BCHW))
    made = network(model, dropout=0.0, **plain)
    assert torch.equal(made(x_BCHW), made(x_BCHW))


@pytest.mark.parametrize("model", MODELS)
def test_dropout_is_never_on_the_outputs(model: str) -> None:
    made = network(model, dropout=0.5)
    assert type(made.output) is nn.Linear
    features_BF = torch.randn(4, made.output.in_features)
    assert torch.equal(made.output(features_BF), made.output(features_BF))
    assert {module.p for module in made.modules() if isinstance(module, nn.Dropout)} == {0.5}


@pytest.mark.parametrize("model", ["cnn", "resnet"])
def test_convolutions_lie_in_memory_with_channels_last(model: str) -> None:
    made = network(model, (3, 8, 8))
    for module in made.modules():
        if isinstance(module, nn.Conv2d):
            assert module.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("model", MODELS)
def test_a_network_learns_a_batch_by_heart(model: str) -> None:
    made = network(model, width=16)
    x_BCHW, y_B = torch.randn(30, 1, 8, 8), torch.arange(30) % 10
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    for _ in range(60):
        loss = nn.functional.cross_entropy(made(x_BCHW), y_B)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss.item() < 0.5


# The names under which stored networks keep their weights: those of the first stage, without any option.
FIRST_STAGE = {
    "mlp": {"0.weight", "0.bias"},
    "cnn": {"0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"},
    "rnn": {f"0.layer.{kind}_{source}_l0" for kind in ("weight", "bias") for source in ("ih", "hh")},
}


@pytest.mark.parametrize("model", MODELS)
def test_options_that_are_not_named_leave_a_stored_network_as_it_was(model: str) -> None:
    """A missing option is its default, which adds no layer, renames none and draws no random number."""
    named: dict[str, Any] = {"biases": Choice("zero"), "input_norm": None, "input_dropout": 0.0}
    if model in ("cnn", "resnet"):
        named |= {"whitening": 0, "normalization": Choice("batch_norm", {"position": "before", "bn_momentum": 0.1})}
    one, other = network(model), network(model, **named)
    assert repr(one) == repr(other)
    assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
    if model in FIRST_STAGE:
        assert one.stages[0].state_dict().keys() == FIRST_STAGE[model]
    assert not any(isinstance(module, nn.Dropout) for module in one.modules())
