"""Which weights a training ends with: the best epoch's, the last's, or the average over the dips."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from objectives.core.loop import fit
from objectives.data.batches.examples import TrainValidation
from objectives.schedules.rates import Rates
from objectives.training.config import TrainingConfig
from objectives.training.evaluation import evaluate
from spaces import Choice
from tests.objectives.training.made import CONFIG, Curve, TableRates, digits, trained

SGD = Choice("sgd", {"learning_rate": 0.1})
# It learns, then is thrown far away.
SPOILT = TableRates((0.1, 0.1, 200.0))


@dataclass(frozen=True)
class Dipping:
    """A constant rate that dips at the end of some epochs."""

    epochs: tuple[int, ...]

    def at(self, epoch: int, fraction: float) -> float:
        return 0.1

    def momentum(self, epoch: int, fraction: float) -> float | None:
        return None

    def has_dip(self, epoch: int, start: float, end: float) -> bool:
        return epoch in self.epochs and end == 1.0

    def observe(self, loss: float, accuracy: float) -> None:
        """A pure schedule does not look."""


class Weights(Curve):
    """A curve that also copies the model's weights as they are when an epoch is reported."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.copies: list[list[Tensor]] = []

    def __call__(self, epoch: int, metrics: object) -> None:
        super().__call__(epoch, metrics)  # type: ignore[arg-type]
        self.copies.append([parameter.detach().clone() for parameter in self.model.parameters()])


def _fit(rates: Rates, data: TrainValidation, *, norm: bool = False, epochs: int = 3) -> tuple[nn.Module, Weights]:
    torch.manual_seed(1)
    layers = [
        nn.Flatten(),
        nn.Linear(64, 32),
        *([nn.BatchNorm1d(32)] if norm else []),
        nn.ReLU(),
        nn.Linear(32, 10),
    ]
    model = nn.Sequential(*layers)
    seen = Weights(model)
    config = TrainingConfig(optimizer=SGD, batch_size=50, swa=isinstance(rates, Dipping))
    fit(model, data, config, rates, seen, epochs=epochs, seed=0)
    return model, seen


def _same(model: nn.Module, values: list[Tensor]) -> bool:
    return all(map(torch.equal, model.parameters(), values))


def _accuracy(model: nn.Module) -> float:
    return evaluate(model, digits().validation, "float32")["accuracy"]


def test_the_best_epochs_weights_are_kept() -> None:
    model, seen = _fit(SPOILT, digits())
    accuracies = seen.of("accuracy")
    assert accuracies[2] < max(accuracies) == accuracies[1]
    assert _same(model, seen.copies[1])
    assert _accuracy(model) == accuracies[1]


def test_the_last_epochs_weights_are_kept_where_validation_is_trained_on() -> None:
    model, seen = _fit(SPOILT, replace(digits(), merged=True))
    assert _same(model, seen.copies[2])


def test_early_stopping_counts_epochs_without_a_better_one() -> None:
    still = CONFIG.replace(optimizer=Choice("sgd", {"learning_rate": 1e-12}), early_stopping=2)
    assert len(trained(config=still, epochs=9)[1].rows) == 3
    assert len(trained(config=still.replace(early_stopping=0), epochs=5)[1].rows) == 5


def test_a_better_epoch_restarts_the_patience_of_early_stopping() -> None:
    _, curve = trained(config=CONFIG.replace(early_stopping=2), epochs=6)
    accuracies = curve.of("accuracy")
    best = accuracies.index(max(accuracies))
    assert len(accuracies) == min(6, best + 3)
    assert best > 0


def test_the_average_over_the_dips_is_their_mean() -> None:
    model, seen = _fit(Dipping((0, 2)), replace(digits(), merged=True))
    mean = [(first + third) / 2 for first, third in zip(seen.copies[0], seen.copies[2], strict=True)]
    for parameter, value in zip(model.parameters(), mean, strict=True):
        torch.testing.assert_close(parameter.detach(), value, rtol=0, atol=1e-6)
    assert _accuracy(model) == pytest.approx(seen.of("accuracy")[2], abs=2e-3)


def test_an_epoch_without_a_dip_stands_for_itself() -> None:
    model, seen = _fit(Dipping((0, 1)), replace(digits(), merged=True))
    assert _same(model, seen.copies[2])


def test_averaging_does_not_disturb_the_training() -> None:
    _, averaged = _fit(Dipping((0, 1)), digits(), norm=True)
    _, plain = _fit(TableRates((0.1, 0.1, 0.1)), digits(), norm=True)
    for one, other in zip(averaged.copies, plain.copies, strict=True):
        assert all(map(torch.equal, one, other))


def test_the_average_gets_batch_norm_statistics_of_its_own() -> None:
    model, _ = _fit(Dipping((0, 2)), replace(digits(), merged=True), norm=True)
    batches = list(digits().train.batches(50, order_seed=None, drop_last=True))
    means = torch.stack([model[1](x_BCHW.flatten(1)).mean(dim=0) for x_BCHW, _ in batches])
    torch.testing.assert_close(model[2].running_mean, means.mean(dim=0).detach(), rtol=0, atol=1e-4)
