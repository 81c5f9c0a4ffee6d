"""What a training counts of the classes that its network takes for others."""

from __future__ import annotations

import io

import pytest
import torch
from torch import Tensor, nn

from objectives.base.errors import StopTraining
from objectives.core.loop import fit
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.data.batches.examples import Examples
from objectives.training import confusion
from objectives.training.config import TrainingConfig
from objectives.training.evaluation import evaluate
from spaces import Choice, Configuration, Fixed, Space
from storage.history import confusions
from tests.objectives.training.made import CONFIG, OBJECTIVE, StoppingCallback, TableRates, digits, trained


class Channels(nn.Module):
    """Takes an image of one pixel for the class of its brightest channel."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW.flatten(1)


def make_examples(pairs: list[tuple[int, int]], channels: int = 3) -> Examples:
    """Return an image for each pair of a class and of what `Channels` takes it for."""
    images = torch.zeros((len(pairs), 1, 1, channels), dtype=torch.uint8)
    for place, (_, taken) in enumerate(pairs):
        images[place, 0, 0, taken] = 200
    labels, deviation = torch.tensor([label for label, _ in pairs]), (1.0,) * channels
    return Examples(images_NHWC=images, labels_N=labels, mean=(0.0,) * channels, std=deviation)


def test_rows_are_classes_and_columns_what_they_were_taken_for() -> None:
    examples = make_examples([(0, 0), (0, 0), (0, 1), (1, 1), (2, 0), (2, 1), (2, 1), (2, 2)])
    counts_KK = torch.full((3, 3), 7, dtype=torch.int64)
    metrics = evaluate(Channels(), examples, "float32", counts_KK=counts_KK)
    assert counts_KK.tolist() == [[2, 1, 0], [0, 1, 0], [1, 2, 1]]
    assert metrics["accuracy"] == 4 / 8


def test_a_network_with_other_outputs_than_the_classes_is_not_counted() -> None:
    """Of which it may choose one that is no class at all."""
    counts_KK = torch.zeros((2, 2), dtype=torch.int64)
    evaluate(Channels(), make_examples([(0, 0), (1, 2)]), "float32", counts_KK=counts_KK)
    assert counts_KK.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("changes", [{}, {"swa": True, "schedule": Choice("cosine_dips", {"dips": 1})}], ids=str)
def test_what_is_told_is_the_matrix_of_the_network_that_training_ends_with(changes: dict[str, object]) -> None:
    callback = StoppingCallback()
    network, curve = trained(config=CONFIG.replace(**changes), epochs=6, callback=callback)
    accuracies, told = curve.of("accuracy"), [epoch for epoch, _ in callback.confusions]
    assert told == [epoch for epoch in range(6) if accuracies[epoch] > max(accuracies[:epoch], default=-1.0)]
    counts_KK = torch.zeros((10, 10), dtype=torch.int64)
    evaluate(network, digits().validation, "float32", counts_KK=counts_KK)
    assert callback.confusions[-1] == (accuracies.index(max(accuracies)), counts_KK.tolist())


def test_an_epoch_is_told_of_once_it_is_reported() -> None:
    """A report may end the training, and then the epoch does not count."""
    callback, reported = StoppingCallback(), list[int]()

    def report(epoch: int, metrics: object) -> None:
        assert [told for told, _ in callback.confusions if told >= epoch] == []
        if epoch == 1:
            raise ZeroDivisionError
        reported.append(epoch)

    with pytest.raises(ZeroDivisionError):
        train(OBJECTIVE, CONFIG, digits(), report, epochs=3, seed=7, callback=callback)
    assert [epoch for epoch, _ in callback.confusions] == reported == [0]


def fit_spoilt(callback: StoppingCallback, state: bytes | None = None) -> None:
    """Train four epochs, the third of which throws the network far away, or what is left of them."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    rates = TableRates((0.1, 0.1, 200.0, 0.001))
    config = TrainingConfig(optimizer=Choice("sgd", {"learning_rate": 0.1}), batch_size=32)
    fit(model, digits(), config, rates, lambda epoch, metrics: None, epochs=4, seed=3, callback=callback, state=state)


def test_a_process_that_resumes_is_told_of_the_best_epoch_before() -> None:
    whole = StoppingCallback(every_epoch=True)
    fit_spoilt(whole)
    assert [epoch for epoch, _ in whole.confusions] == [0, 1]
    epoch, state = whole.states[-1]
    resumed = StoppingCallback()
    fit_spoilt(resumed, state)
    assert (epoch, resumed.confusions) == (3, [whole.confusions[-1]])


def test_a_process_with_nothing_left_to_train_is_told_of_the_best_epoch() -> None:
    """Training was stopped at the report of the last one."""
    stopped, resumed = StoppingCallback(), StoppingCallback()

    def report(epoch: int, metrics: object) -> None:
        if epoch == 1:
            raise StopTraining

    with pytest.raises(StopTraining):
        train(OBJECTIVE, CONFIG, digits(), report, epochs=2, seed=7, callback=stopped)
    resumed.states = stopped.states
    network = train(OBJECTIVE, CONFIG, digits(), report, epochs=2, seed=7, callback=resumed)
    counts_KK = torch.zeros((10, 10), dtype=torch.int64)
    evaluate(network, digits().validation, "float32", counts_KK=counts_KK)
    assert [counts for _, counts in resumed.confusions] == [counts_KK.tolist()]


def test_a_state_of_an_older_program_resumes_without() -> None:
    whole = StoppingCallback(every_epoch=True)
    fit_spoilt(whole)
    for place, (_, state) in enumerate(whole.states):
        content = torch.load(io.BytesIO(state), weights_only=True)
        del content["confusion"]
        buffer = io.BytesIO()
        torch.save(content, buffer)
        resumed = StoppingCallback()
        fit_spoilt(resumed, buffer.getvalue())
        assert resumed.confusions == whole.confusions[place + 1 :], "only what is better than the best before"


def test_with_many_classes_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confusion, "MOST_CLASSES", 9)
    callback = StoppingCallback()
    trained(callback=callback)
    assert callback.confusions == []
    assert confusion.ConfusionCounts(10, torch.device("cpu")).counts_KK is None


def test_what_is_counted_can_be_stored() -> None:
    assert confusion.MOST_CLASSES == confusions.MOST_CLASSES


def test_a_loop_of_the_objectives_own_tells_of_none() -> None:
    def own(config: Configuration, data: object, report: object) -> nn.Module:
        report(0, {"accuracy": 0.5})  # type: ignore[operator]
        return nn.Identity()

    callback = StoppingCallback()
    trained(Objective(data="digits", train=own, space=Space(rate=Fixed(1))), epochs=1, callback=callback)
    assert callback.confusions == []
