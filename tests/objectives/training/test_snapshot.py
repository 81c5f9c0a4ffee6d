"""A training that is stopped and resumed: in the middle of an epoch, at its end, and from an unusable state."""

import io
import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from objectives.base.errors import StopTraining
from objectives.core.objective import Objective
from objectives.core.run import train
from spaces import Choice, Configuration, Fixed, Space
from tests.objectives.training.made import (
    CONFIG,
    OBJECTIVE,
    Curve,
    StoppingCallback,
    digits,
    equal,
    run_to_the_end,
    trained,
)

EPOCHS = 5
# Everything that has a state or draws at random, at once.
RICH = CONFIG.replace(
    optimizer=Choice("nadam", {"learning_rate": 0.01}),
    schedule=Choice("cosine_dips", {"dips": 1}),
    dropout=0.2,
    normalization="batch_norm",
    swa=True,
    crop=1,
    cutout=2,
    early_stopping=3,
    warmup_epochs=1,
    clipping=Choice("clip_norm", {"max_norm": 1.0}),
)
PLATEAU = CONFIG.replace(schedule=Choice("plateau", {"patience": 1, "factor": 0.5}), early_stopping=2)


def curve_of(callback: StoppingCallback, config: Configuration, epochs: int = EPOCHS) -> tuple[nn.Module, list[Any]]:
    curve = Curve()
    network = run_to_the_end(
        lambda: train(OBJECTIVE, config, digits(), curve, epochs=epochs, seed=7, callback=callback)
    )
    return network, [{name: value for name, value in row.items() if name != "seconds"} for row in curve.rows]


@pytest.mark.parametrize("config", [RICH, PLATEAU], ids=["rich", "plateau"])
def test_left_at_any_moment_it_comes_to_the_same_numbers(config: Configuration) -> None:
    whole = StoppingCallback()
    network, curve = curve_of(whole, config)
    beats = random.Random(0).sample(range(1, whole.count), 12)
    left = StoppingCallback(*beats, every_epoch=True)
    resumed, resumed_curve = curve_of(left, config)
    assert len(left.states) >= 12
    assert not left.refusals
    assert resumed_curve == curve
    assert equal(resumed, network)
    assert left.confusions[-1] == whole.confusions[-1]


def test_an_early_stop_is_remembered() -> None:
    """Left at the very report after which the patience was over: nothing more is trained."""
    config = CONFIG.replace(early_stopping=1, optimizer=Choice("sgd", {"learning_rate": 0.0001}))
    _, curve = trained(config=config, epochs=30)
    length = len(curve.rows)
    assert length < 30
    callback, rows = StoppingCallback(), []

    def report(epoch: int, metrics: object) -> None:
        rows.append(epoch)
        if epoch == length - 1:
            raise StopTraining

    with pytest.raises(StopTraining):
        train(OBJECTIVE, config, digits(), report, epochs=30, seed=7, callback=callback)
    train(OBJECTIVE, config, digits(), report, epochs=30, seed=7, callback=callback)
    assert rows == list(range(length))


def test_pretraining_that_is_left_begins_again_and_training_that_was_does_not_pretrain() -> None:
    reuse = Choice("pretrain", {"layers": 1, "pretrain_epochs": 1, "freeze_epochs": 1})
    config = CONFIG.replace(reuse=reuse)
    whole = StoppingCallback()
    network, curve = curve_of(whole, config, epochs=2)
    pretraining = len(digits().unlabelled) // 128
    left = StoppingCallback(3, 3 + pretraining + 5)
    resumed, resumed_curve = curve_of(left, config, epochs=2)
    assert (resumed_curve, equal(resumed, network)) == (curve, True)
    assert left.count == whole.count + 3  # the three batches of pretraining alone were done twice
    assert [epoch for epoch, _ in left.states] == [0]


@pytest.fixture(scope="module")
def state() -> bytes:
    """A state from the middle of a training."""
    callback = StoppingCallback(100)
    with pytest.raises(StopTraining):
        train(OBJECTIVE, CONFIG, digits(), lambda epoch, metrics: None, epochs=EPOCHS, seed=7, callback=callback)
    return callback.states[0][1]


class Held(StoppingCallback):
    """A callback that has a state from somewhere."""

    def __init__(self, state: bytes) -> None:
        super().__init__()
        self.states = [(0, state)]


def refused(state: bytes, objective: Objective = OBJECTIVE, config: Configuration = CONFIG) -> str:
    """Train with a state that is no good: the numbers of a new beginning, and why."""
    callback, curve = Held(state), Curve()
    network = train(objective, config, digits(), curve, epochs=2, seed=7, callback=callback)
    fresh, fresh_curve = trained(objective, config)
    assert equal(network, fresh)
    assert curve.of("accuracy") == fresh_curve.of("accuracy")
    [reason] = callback.refusals
    assert "\n" not in reason
    return reason


def test_a_truncated_state_is_refused(state: bytes) -> None:
    for size in (0, 1, 100, len(state) // 2, len(state) - 1):
        refused(state[:size])


def test_another_networks_state_is_refused(state: bytes) -> None:
    wider = CONFIG.replace(width=32)
    assert "size mismatch" in refused(state, config=wider) or "Error" in refused(state, config=wider)
    assert "Error" in refused(state, config=CONFIG.replace(optimizer=Choice("adam", {"learning_rate": 0.1})))


def test_another_forms_state_is_refused() -> None:
    buffer = io.BytesIO()
    torch.save({"form": 0}, buffer)
    assert "format is 0" in refused(buffer.getvalue())


class Harmful:
    """Makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_that_would_run_code_is_refused(zipped: bool, tmp_path: Path) -> None:
    buffer, trap = io.BytesIO(), tmp_path / "trap"
    torch.save({"form": 1, "model": Harmful(trap)}, buffer, _use_new_zipfile_serialization=zipped)
    refused(buffer.getvalue())
    refused(pickle.dumps(Harmful(trap)))
    assert not trap.exists()


def test_every_random_generator_continues_where_it_was() -> None:
    """A network of a user's own may draw from any of them."""

    class Drawing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(64, 10)

        def forward(self, x_BCHW: torch.Tensor) -> torch.Tensor:
            noise = random.random() + float(np.random.rand()) + torch.rand(1).item()
            logits: torch.Tensor = self.layer(x_BCHW.flatten(1)) * (1 + noise)
            return logits

    objective = Objective(data="digits", build_model=lambda config: Drawing(), space=Space(batch_size=Fixed(64)))
    config = Configuration({"optimizer": Choice("sgd", {"learning_rate": 0.01}), "batch_size": 64})
    whole, left = Curve(), Curve()
    network = train(objective, config, digits(), whole, epochs=2, seed=7)
    callback = StoppingCallback(5, 20)
    resumed = run_to_the_end(lambda: train(objective, config, digits(), left, epochs=2, seed=7, callback=callback))
    assert whole.of("loss") == left.of("loss")
    assert equal(resumed, network)
