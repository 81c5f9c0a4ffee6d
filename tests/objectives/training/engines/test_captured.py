"""A step that is recorded and repeated does what the same step does operation by operation.

On a CPU nothing is recorded: the tables, counters and comparisons run there, too, and the step as it is.
"""

import random
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from objectives.base.errors import Diverged, ObjectiveError
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from spaces import Choice, Fixed, Float, Space
from tests.objectives.training.engines.made import CLASSES, SIDE, VALIDATION, Case

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)

CNN = Objective(data="digits", model="cnn", space=Space(depth=Fixed(2), width=Fixed(8)))
RATES = {"sgd": 0.1, "momentum": 0.05, "nesterov": 0.05, "adagrad": 0.01}
CASES: Mapping[str, Mapping[str, Any]] = {
    **{
        name: {"optimizer": Choice(name, {"learning_rate": RATES.get(name, 0.003), **more})}
        for name in OPTIMIZERS
        for more in ({"weight_decay": 0.01} if OPTIMIZERS[name].decays_weights else {},)
    },
    "one_cycle momentum": {"schedule": Choice("one_cycle")},
    "one_cycle betas": {"schedule": Choice("one_cycle"), "optimizer": Choice("adamw", {"learning_rate": 0.003})},
    "warm-up": {"warmup_epochs": 1},
    "penalties": {"l1": 1e-4, "l2": 1e-3, "max_norm": 1.0},
    "clipping": {"clipping": Choice("clip_norm", {"max_norm": 0.1})},
    "smoothing": {"label_smoothing": 0.1},
    "dropout": {"dropout": 0.3},
    "batch norm": {"normalization": Choice("batch_norm")},
    "one batch": {"batch_size": 1000},
    "bias rate": {"bias_rate": 4.0},
    "bias rate of two parts": {"bias_rate": 4.0, "optimizer": Choice("muon", {"learning_rate": 0.003})},
    "lookahead": {"lookahead": 3},
    "averaging": {"swa": True, "schedule": Choice("cosine_dips", {"dips": 1})},
}


def assert_alike(one: list[Tensor], other: list[Tensor]) -> None:
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-4)


@everywhere
@pytest.mark.parametrize("name", CASES)
def test_a_recorded_step_does_what_the_eager_one_does(device: str, name: str) -> None:
    case = Case(device=device).changed(**CASES[name])
    eager, recorded = case.train("eager"), case.train("graph")
    assert recorded.callback.engines == ["graph"]
    assert_alike(recorded.tensors(), eager.tensors())
    for metric in ("loss", "train_objective", "train_loss", "learning_rate"):
        assert recorded.curve.of(metric) == pytest.approx(eager.curve.of(metric), rel=1e-3)
    for trained in (eager, recorded):
        epoch, counts = trained.callback.confusions[-1]
        assert trained.curve.of("accuracy")[epoch] == max(trained.curve.of("accuracy"))
        assert sum(counts[k][k] for k in range(CLASSES)) / VALIDATION == max(trained.curve.of("accuracy"))
        assert sum(map(sum, counts)) == VALIDATION


@everywhere
@pytest.mark.parametrize(
    "augment",
    [
        {"flip": True, "crop": 2, "cutout": 3},
        {"alternating_flip": True, "crop": 2, "crop_padding": "reflect", "brightness": 0.3, "contrast": 0.3},
    ],
    ids=["moved", "recoloured"],
)
def test_augmentation_is_drawn_for_every_epoch(device: str, augment: dict[str, Any]) -> None:
    case = Case(device=device, objective=CNN).changed(width=8, **augment)
    assert_alike(case.train("graph").tensors(), case.train("eager").tensors())


@everywhere
def test_a_resumed_training_is_bit_equal(device: str) -> None:
    """Interrupted in the middle of epochs and between them, with dropout and augmentation."""
    case = Case(device=device).changed(
        dropout=0.3,
        alternating_flip=True,
        crop=1,
        crop_padding="reflect",
        brightness=0.2,
        contrast=0.2,
        optimizer=Choice("adamw", {"learning_rate": 0.003}),
        schedule=Choice("one_cycle"),
    )
    for config in (case, case.changed(schedule=Choice("cosine"))):
        whole, resumed = config.train("graph"), config.train("graph", 3, 8, 19)
        assert len(resumed.callback.states) == 3
        assert all(map(torch.equal, resumed.tensors(), whole.tensors()))
        assert resumed.curve.of("loss") == whole.curve.of("loss")


@cuda
@pytest.mark.parametrize("optimizer", ["nesterov", "adamw", "rmsprop", "nadam"])
def test_a_checkpoint_goes_from_one_way_and_device_to_another(optimizer: str) -> None:
    cpu, gpu = (
        Case(device=device).changed(optimizer=Choice(optimizer, {"learning_rate": 0.003})) for device in ("cpu", "cuda")
    )
    whole = cpu.train("eager").tensors()
    for leave, mode, resume, other in ((cpu, "eager", gpu, "graph"), (gpu, "graph", cpu, "eager")):
        left = leave.leave(mode, after=10)  # type: ignore[arg-type]
        resumed = resume.train(other, state=left)  # type: ignore[arg-type]
        assert resumed.callback.refusals == []
        assert_alike(resumed.tensors(), whole)


class Odd(nn.Module):
    """A network that a graph cannot hold, for one of several reasons."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what, self.calls = what, 0
        self.layer = nn.Linear(3 * SIDE * SIDE, CLASSES)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BF = x_BCHW.flatten(1)
        if self.what == "looks at data" and x_BF.sum().item() > 1e30:
            return self.layer(x_BF) * 2
        if self.what == "draws on the CPU":
            return self.layer(x_BF) * (1.0 + 0.1 * random.random())
        if self.what == "replaces a buffer" and self.training:
            self.seen = self.seen + 1
        if self.what == "counts in Python" and self.training:
            self.calls += 1
            return self.layer(x_BF) * float(self.calls % 2)
        return self.layer(x_BF)


def odd(what: str) -> Objective:
    rates = Float(0.001, 0.1)
    return Objective(data="digits", build_model=lambda config: Odd(what), space=Space(learning_rate=rates))


ODD_CONFIG = {"optimizer": Choice("sgd", {"learning_rate": 0.05}), "learning_rate": 0.05}


@everywhere
@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("draws on the CPU", "draws random numbers on the CPU"),
        ("replaces a buffer", "replaces its buffers"),
        ("looks at data", "synchroniz"),
        ("counts in Python", "recorded steps end"),
    ],
)
def test_what_a_graph_cannot_hold_is_trained_eagerly(device: str, what: str, says: str) -> None:
    if device == "cpu" and what in ("looks at data", "counts in Python"):
        pytest.skip("without a recording there is nothing wrong with it")
    case = Case(device=device, objective=odd(what)).changed(**ODD_CONFIG)
    with pytest.raises(ObjectiveError, match=f"step=graph, but .*{says}.*; use step=auto"):
        case.train("graph")


@cuda
@pytest.mark.parametrize("what", ["draws on the CPU", "replaces a buffer", "looks at data", "counts in Python"])
def test_the_eager_training_is_the_one_without_a_trial(what: str) -> None:
    case = Case(device="cuda", objective=odd(what)).changed(**ODD_CONFIG)
    auto, eager = case.train("auto"), case.train("eager")
    assert auto.callback.engines[0].startswith("eager: ")
    if what != "counts in Python":  # its count goes on while steps are tried
        assert all(map(torch.equal, auto.tensors(), eager.tensors()))


@everywhere
def test_a_diverging_training_ends_as_such(device: str) -> None:
    with pytest.raises(Diverged):
        Case(device=device).changed(optimizer=Choice("sgd", {"learning_rate": 10.0}), width=512).train("graph")


@cuda
def test_memory_does_not_grow_from_trial_to_trial() -> None:
    case, sizes = Case(device="cuda", epochs=1), []
    for _ in range(30):
        case.train("graph")
        torch.cuda.empty_cache()
        sizes.append(torch.cuda.memory_reserved())
    assert sizes[-1] <= sizes[2]
