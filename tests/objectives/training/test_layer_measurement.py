"""What is measured inside a network equals a computation by hand, and the training goes on as if nothing had been."""

from __future__ import annotations

import copy
import json
import math
import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.diagnosis.records import LARGEST, NetworkRecord
from objectives.training import layer_watch
from objectives.training.callbacks import NullCallback
from objectives.training.layer_measurement import MOST_LAYERS, NetworkMeasurement
from spaces import Choice, Configuration, Fixed, Space
from tests.objectives.diagnosis.made import LayersCallback, watch
from tests.objectives.training.engines.made import Case
from tests.objectives.training.made import (
    CONFIG,
    OBJECTIVE,
    StoppingCallback,
    count_graphs,
    digits,
    equal,
    run_to_the_end,
    trained,
)
from tests.objectives.training.test_snapshot import PLATEAU, RICH


def batch(count: int = 20) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn((count, 1, 8, 8), generator=generator), torch.randint(4, (count,), generator=generator)


def test_every_number_is_that_of_a_computation_by_hand() -> None:
    """In float64, with numpy alone: a layer of ReLUs of which three are dead, a layer of tanh, an output layer."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 4)
    )
    with torch.no_grad():
        model[1].bias[:3] = -100.0
        model[3].weight.mul_(20)
    x, y = batch()
    measurement = NetworkMeasurement(model, x, y, "float32")
    before = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    nn.functional.cross_entropy(model.eval()(x), y).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    record = measurement.finish()

    w1, w2, w3 = (before[at].weight.detach().double().numpy() for at in (1, 3, 6))
    b1, b2, b3 = (before[at].bias.detach().double().numpy() for at in (1, 3, 6))
    x_BF = x.flatten(1).double().numpy()
    h1 = np.maximum(x_BF @ w1.T + b1, 0)
    h2 = np.tanh(h1 @ w2.T + b2)
    logits = h2 @ w3.T + b3
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    d3 = (p - np.eye(4)[y.numpy()]) / len(y)
    d2 = d3 @ w3 * (1 - h2**2)
    d1 = d2 @ w2 * (h1 > 0)
    gradients = [d1.T @ x_BF, d2.T @ h1, d3.T @ h2]
    assert record.classes == 4
    assert record.loss == pytest.approx(-np.log(p[np.arange(len(y)), y.numpy()]).mean(), rel=1e-5)
    assert [layer.name for layer in record.layers] == ["1", "3", "6"]
    for layer, weight, gradient, output in zip(record.layers, (w1, w2, w3), gradients, (h1, h2, logits), strict=True):
        assert layer.weight == pytest.approx(np.linalg.norm(weight), rel=1e-5)
        assert layer.gradient == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
        assert layer.update == pytest.approx(0.1 * np.linalg.norm(gradient) / np.linalg.norm(weight), rel=1e-3)
        assert (layer.mean, layer.deviation) == pytest.approx((output.mean(), output.std()), rel=1e-5)
    dead, saturated = (h1 == 0).all(0).mean(), (np.abs(h2) >= 0.98).mean()
    assert 3 / 8 <= dead < 1
    assert 0.1 < saturated < 1
    assert [layer.dead for layer in record.layers] == [pytest.approx(dead), None, None]
    assert [layer.saturated for layer in record.layers] == [None, pytest.approx(saturated), None]


class Noisy(nn.Module):
    """A network that draws random numbers and counts its uses, in evaluation mode, too."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.output = nn.Linear(64, 8), nn.Linear(8, 10)
        self.used: Tensor
        self.register_buffer("used", torch.zeros(()))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        self.used += 1
        noise = torch.randn(8) + random.random() + np.random.rand()
        logits_BK: Tensor = self.output(self.inner(x_BCHW.flatten(1)) + noise.to(x_BCHW))
        return logits_BK


def test_measuring_leaves_no_trace() -> None:
    model = Noisy().train()
    model.inner.eval()
    weights = [weight.clone() for weight in model.parameters()]
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    expected = (torch.rand(()), random.random(), np.random.rand())
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    NetworkMeasurement(model, *batch(), "float32").finish()
    assert (torch.rand(()), random.random(), np.random.rand()) == expected
    assert (model.training, model.inner.training, model.output.training) == (True, False, True)
    assert model.used.item() == 0
    assert all(weight.grad is None for weight in model.parameters())
    assert all(map(torch.equal, model.parameters(), weights))
    assert not any(module._forward_hooks for module in model.modules())


NOISY = Objective(data="digits", build_model=lambda config: Noisy(), space=Space(depth=Fixed(1)))
RECURRENT = Objective(data="digits", model="rnn", space=Space(depth=Fixed(2), width=Fixed(8)))
CASES: dict[str, tuple[Objective, Configuration]] = {
    "rich": (OBJECTIVE, RICH),
    "plateau": (OBJECTIVE, PLATEAU),
    "noisy": (NOISY, CONFIG),
    "recurrent": (RECURRENT, CONFIG.replace(width=8, cell="rnn", dropout=0.2)),
}


@pytest.mark.parametrize("name", CASES)
def test_curves_are_bit_equal_with_and_without_measurements(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_watch, "STEPS_BETWEEN", 1)  # in every epoch
    objective, config = CASES[name]
    callback = LayersCallback()
    (plain, curve), (watched, same) = trained(objective, config), trained(objective, config, callback=callback)
    assert equal(plain, watched)
    assert all(torch.equal(*both) for both in zip(plain.buffers(), watched.buffers(), strict=True))
    assert [{**row, "seconds": 0} for row in curve.rows] == [{**row, "seconds": 0} for row in same.rows]
    assert sorted(callback.layers) == [0, 1]


cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=cuda)])
def test_recorded_steps_are_measured_as_eager_ones_are(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(device=device).changed(normalization="batch_norm", dropout=0.2)
    plain = case.train("graph")
    found = {}
    for mode in ("eager", "graph"):
        callback = LayersCallback()
        for name in ("wants_layers", "note_layers"):
            monkeypatch.setattr(f"tests.objectives.training.engines.made.NotingCallback.{name}", method(callback, name))
        found[mode] = (case.train(mode), callback.layers)  # type: ignore[arg-type]
    assert found["graph"][0].callback.engines == ["graph"]
    assert [{**row, "seconds": 0} for row in found["graph"][0].curve.rows] == [
        {**row, "seconds": 0} for row in plain.curve.rows
    ]
    (_, eager), (_, recorded) = found["eager"], found["graph"]
    assert eager.keys() == recorded.keys() == {0}
    for one, other in zip(eager[0]["layers"], recorded[0]["layers"], strict=True):
        assert one[0] == other[0]
        assert one[1:6] == pytest.approx(other[1:6], rel=0.02)


def test_a_measurement_keeps_no_graph_of_the_network_alive() -> None:
    """Its nodes belong to the stream on which it was made, and the step is recorded on another one."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    before = count_graphs()
    measurement = NetworkMeasurement(network, *batch(), "float32")
    assert count_graphs() == before
    assert measurement.finish().loss > 0


def method(callback: LayersCallback, name: str) -> object:
    return lambda _, *arguments: getattr(callback, name)(*arguments)


class Interrupted(StoppingCallback, LayersCallback):
    """A callback that keeps the measurements of all runs."""

    def __init__(self, *beats: int) -> None:
        StoppingCallback.__init__(self, *beats, every_epoch=True)
        LayersCallback.__init__(self)

    wants_layers, note_layers = LayersCallback.wants_layers, LayersCallback.note_layers


def test_a_resumed_training_is_measured_where_a_whole_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other epoch, if a measurement is due after 70 steps and an epoch has 35."""
    monkeypatch.setattr(layer_watch, "STEPS_BETWEEN", 70)
    found = []
    for callback in (Interrupted(), Interrupted(50, 120)):
        report: list[int] = []
        run_to_the_end(
            lambda kept=callback, told=report: train(  # type: ignore[misc]
                OBJECTIVE, RICH, digits(), lambda epoch, _: told.append(epoch), epochs=5, seed=7, callback=kept
            )
        )
        found.append((callback.layers, report))
    (whole, epochs), (left, same) = found
    assert sorted(whole) == [0, 2, 4]
    assert left == whole
    assert epochs == same == [0, 1, 2, 3, 4]


def test_layers_are_told_apart() -> None:
    recurrent = nn.RNN(8, 5, batch_first=True)

    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.recurrent, self.unused, self.output = recurrent, nn.Linear(3, 3), nn.Linear(5, 4)

        def forward(self, x_BCHW: Tensor) -> Tensor:
            states_BTF, _ = self.recurrent(x_BCHW[:, 0])
            logits_BK: Tensor = self.output(states_BTF[:, -1])
            return logits_BK

    record = NetworkMeasurement(Rows(), *batch(), "float32").finish()
    assert [layer.name for layer in record.layers] == ["recurrent", "output"]
    assert record.layers[0].saturated is not None
    convolutions = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4)
    )
    convolutions[0].requires_grad_(False)
    first, last = NetworkMeasurement(convolutions, *batch(), "float32").finish().layers
    assert (first.gradient, first.update, first.dead) == (None, 0.0, 0.0)
    assert last.gradient is not None


def test_a_network_that_cannot_be_measured_is_trained_all_the_same() -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(64, 10)

        def forward(self, x_BCHW: Tensor) -> Tensor:
            logits_BK: Tensor = self.linear(x_BCHW.flatten(1))
            return logits_BK if self.training else logits_BK.detach()

    objective = Objective(data="digits", build_model=lambda config: Detached(), space=Space(depth=Fixed(1)))
    records, faults, _ = watch(objective, CONFIG, epochs=1)
    assert [record.network for record in records] == [None]
    assert faults == []


def test_nothing_is_measured_for_those_who_do_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetworkMeasurement, "__init__", None)
    trained(callback=NullCallback(), epochs=1)


def test_what_is_stored_is_small_and_plain() -> None:
    model = nn.Sequential(nn.Flatten(), *(nn.Linear(64, 64) for _ in range(100)), nn.Linear(64, 4))
    with torch.no_grad():
        model[1].weight[0, 0] = math.inf
    record = NetworkMeasurement(model, *batch(), "float32").finish()
    assert len(record.layers) == MOST_LAYERS
    assert (record.layers[0].name, record.layers[-1].name) == ("1", "101")
    document = json.dumps(record.to_json(), allow_nan=False)
    read = NetworkRecord.from_json(json.loads(document))
    assert read.layers[0].weight == LARGEST
    assert read.to_json() == record.to_json()
    healthy = NetworkMeasurement(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), *batch(), "float32").finish()
    assert len(json.dumps(healthy.to_json()["layers"])) < 100


def test_the_constraints_first_effect_is_no_update() -> None:
    config = CONFIG.replace(optimizer=Choice("sgd", {"learning_rate": 1e-4}), max_norm=0.1)
    [record], _, _ = watch(OBJECTIVE, config, epochs=1)
    assert record.network is not None
    assert all(layer.update is not None and layer.update < 1e-2 for layer in record.network.layers)
