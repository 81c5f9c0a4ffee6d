"""The loop's parts: evaluation against a count by hand, finite numbers, precision."""

import math

import pytest
import torch
from torch import nn

from objectives.base.errors import Diverged
from objectives.core.loop import check_finite, fit
from objectives.data.batches.examples import Examples
from objectives.optimizers.groups import build_optimizer
from objectives.training.config import TrainingConfig
from objectives.training.evaluation import evaluate
from objectives.training.step import set_rates
from spaces import Choice
from tests.objectives.training.made import Curve, TableRates, digits


def _model() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Dropout(0.5))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_accuracy_and_loss_equal_a_count_by_hand(precision: str) -> None:
    examples, model = digits().validation, _model()
    got = evaluate(model, examples, precision)  # type: ignore[arg-type]
    right, nats = 0, 0.0
    model.eval()
    for x_BCHW, y_B in examples.batches(1, order_seed=None):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(x_BCHW)[0].tolist()
        right += max(range(10), key=logits.__getitem__) == y_B.item()
        nats += math.log(sum(map(math.exp, logits))) - logits[int(y_B)]
    assert 0 < right < len(examples)
    assert got["accuracy"] == pytest.approx(right / len(examples), abs=1e-7)
    assert got["loss"] == pytest.approx(nats / len(examples), rel=1e-5)


def test_evaluation_covers_the_last_incomplete_batch() -> None:
    images = torch.arange(1030, dtype=torch.uint8)[:, None, None, None].expand(1030, 1, 1, 1).contiguous()
    labels = torch.zeros(1030, dtype=torch.int64)
    labels[1024:] = 1
    examples = Examples(images_NHWC=images, labels_N=labels, mean=(0.0,), std=(1.0,))
    layer = nn.Linear(1, 2)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.tensor([0.0, 1.0]))
    model = nn.Sequential(nn.Flatten(), layer)
    got = evaluate(model, examples, "float32")
    assert got["accuracy"] == pytest.approx(6 / 1030)
    assert got["loss"] == pytest.approx((1024 * math.log(1 + math.e) + 6 * math.log(1 + 1 / math.e)) / 1030)


def test_evaluation_changes_nothing() -> None:
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluate(model, digits().validation, "float32")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_one_step_is_the_textbooks() -> None:
    """One batch of everything: train_objective is the loss before the step, the step is rate times gradient."""
    data, model = digits(), nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    start = [parameter.detach().clone() for parameter in model.parameters()]
    curve = Curve()
    config = TrainingConfig(optimizer=Choice("sgd", {"learning_rate": 9.0}), batch_size=len(data.train))
    fit(model, data, config, TableRates((0.5,)), curve, epochs=1, seed=0)
    got = [parameter.detach().clone() for parameter in model.parameters()]
    for parameter, value in zip(model.parameters(), start, strict=True):
        parameter.data = value.clone().requires_grad_()
        parameter.grad = None
    x_BCHW, y_B = next(data.train.batches(len(data.train), order_seed=None))
    loss = nn.functional.cross_entropy(model(x_BCHW), y_B)
    loss.backward()  # type: ignore[no-untyped-call]
    assert curve.of("train_objective") == [pytest.approx(loss.item(), rel=1e-5)]
    for parameter, value, after in zip(model.parameters(), start, got, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(after, value - 0.5 * parameter.grad, rtol=1e-4, atol=1e-6)


class Watching(nn.Module):
    """A linear network that keeps the sum of each training image's pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)
        self.seen: list[torch.Tensor] = []

    def forward(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen.append(x_BCHW.flatten(1).sum(dim=1))
        logits_BK: torch.Tensor = self.linear(x_BCHW.flatten(1))
        return logits_BK


def _orders(seed: int) -> list[torch.Tensor]:
    """What is trained on in each of two epochs, example by example."""
    model = Watching()
    config = TrainingConfig(optimizer=Choice("sgd", {"learning_rate": 0.1}), batch_size=500)
    fit(model, digits(), config, TableRates((0.1, 0.1)), Curve(), epochs=2, seed=seed)
    assert [len(seen) for seen in model.seen] == [500] * 4  # 1,150 examples: the rest is left out
    return [torch.cat(model.seen[:2]), torch.cat(model.seen[2:])]


def test_order_is_the_seeds_and_the_epochs() -> None:
    (one, two), (same, _), (other, _) = _orders(7), _orders(7), _orders(8)
    assert torch.equal(one, same)
    assert not torch.equal(one, two)
    assert not torch.equal(one, other)


def test_label_smoothing_reaches_the_training_loss_only() -> None:
    curves = []
    for smoothing in (0.0, 0.3):
        model, curve = _model(), Curve()
        config = TrainingConfig(
            optimizer=Choice("sgd", {"learning_rate": 1.0}), batch_size=1150, label_smoothing=smoothing
        )
        torch.manual_seed(0)
        fit(model, digits(), config, TableRates((0.0,)), curve, epochs=1, seed=0)
        curves.append(curve)
    assert curves[0].of("loss") == curves[1].of("loss")
    assert curves[0].of("train_objective") != curves[1].of("train_objective")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_told(value: float) -> None:
    check_finite(3, {"loss": 1.0, "accuracy": 0.0})
    with pytest.raises(Diverged, match=f"^loss became {value} in epoch 3$"):
        check_finite(3, {"accuracy": 0.5, "loss": value})


def test_rates_are_set_for_every_group() -> None:
    plain, heavy, adam = (
        build_optimizer(nn.Linear(2, 2), Choice(name, {"learning_rate": 1.0, **options}))
        for name, options in (("sgd", {}), ("momentum", {"momentum": 0.5}), ("adam", {"beta2": 0.75}))
    )
    for optimizer in (plain, heavy, adam):
        set_rates(optimizer, 0.25, None)
        set_rates(optimizer, 0.125, 0.875)
        assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]
    assert [group["momentum"] for group in plain.param_groups] == [0, 0]
    assert [group["momentum"] for group in heavy.param_groups] == [0.875, 0.875]
    assert [group["betas"] for group in adam.param_groups] == [(0.875, 0.75)] * 2


def _step(rate: float = 0.5, **options: object) -> list[torch.Tensor]:
    """The weights of a linear network after one step on everything."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    optimizer = Choice("sgd", {"learning_rate": 0.5})
    config = TrainingConfig(optimizer=optimizer, batch_size=1150, **options)  # type: ignore[arg-type]
    fit(model, digits(), config, TableRates((rate,)), Curve(), epochs=1, seed=0)
    return [parameter.detach() for parameter in model.parameters()]


def test_penalties_reach_the_weights_and_not_the_biases() -> None:
    """A step is rate times (gradient + l1 sign(w) + 2 l2 w)."""
    start, plain = _step(rate=0.0), _step()
    lasso, ridge = _step(l1=0.01), _step(l2=0.01)
    torch.testing.assert_close(lasso[0], plain[0] - 0.5 * 0.01 * start[0].sign(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(ridge[0], plain[0] - 0.5 * 0.02 * start[0], rtol=1e-4, atol=1e-6)
    assert torch.equal(lasso[1], plain[1])
    assert torch.equal(ridge[1], plain[1])


def test_clipping_shortens_the_step() -> None:
    start = _step(rate=0.0)
    clipped = _step(clipping=Choice("clip_norm", {"max_norm": 0.01}))
    step = torch.cat([(after - before).flatten() for after, before in zip(clipped, start, strict=True)])
    assert step.norm().item() == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_max_norm_holds_after_the_step() -> None:
    norms = _step(max_norm=0.25)[0].norm(dim=1)
    assert norms.max() <= 0.25 * (1 + 1e-6)
    assert _step()[0].norm(dim=1).max() > 0.25


def test_a_frozen_weight_is_not_penalized() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Linear(64, 10))
    model[1].requires_grad_(False)
    before = model[1].weight.clone()
    config = TrainingConfig(optimizer=Choice("momentum", {"learning_rate": 0.1}), l2=0.1, max_norm=0.01)
    fit(model, digits(), config, TableRates((0.1,)), Curve(), epochs=1, seed=0)
    assert torch.equal(model[1].weight, before)
