"""What the clean training loss and the measurements inside the network cost, as shares of the training's time.

    python -m tests.benchmarks.epoch_records [--epochs E] [--device cpu]

Real trainings by the shipped loop on random images of the sizes of the digits, Fashion-MNIST and CIFAR-10, one thread.
Both parts are timed within them, so that other programs slow the parts and the whole alike.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch

from objectives.core import loop
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.data.batches.examples import Examples, TrainValidation
from objectives.training.layer_watch import LayerWatch
from spaces import Choice, Configuration, Fixed, Space
from tests.objectives.diagnosis.made import LayersCallback

CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class Case:
    """A training: its name, network, images for training and validation, and their sides and colours."""

    name: str
    model: str
    config: dict[str, Any]
    train: int
    validation: int
    shape: tuple[int, int, int]
    epochs: int


CASES = (
    Case(
        name="digits, mlp 3 x 64",
        model="mlp",
        config={"depth": 3, "width": 64},
        train=1293,
        validation=144,
        shape=(8, 8, 1),
        epochs=50,
    ),
    Case(
        name="Fashion-MNIST, mlp 3 x 128",
        model="mlp",
        config={"depth": 3, "width": 128},
        train=54_000,
        validation=6_000,
        shape=(28, 28, 1),
        epochs=3,
    ),
    Case(
        name="Fashion-MNIST, mlp 20 x 128",
        model="mlp",
        config={"depth": 20, "width": 128, "normalization": "batch_norm"},
        train=54_000,
        validation=6_000,
        shape=(28, 28, 1),
        epochs=2,
    ),
    Case(
        name="a tenth of CIFAR-10, cnn 4 x 16",
        model="cnn",
        config={"depth": 4, "width": 16, "pool_rounds": 2},
        train=4_500,
        validation=500,
        shape=(32, 32, 3),
        epochs=3,
    ),
    Case(
        name="a tenth of Fashion-MNIST, gru 1 x 64",
        model="rnn",
        config={"depth": 1, "width": 64},
        train=5_400,
        validation=600,
        shape=(28, 28, 1),
        epochs=3,
    ),
)


@dataclass
class Clock:
    """Seconds by part."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the work, timed."""

        def timed(*arguments: Any, **options: Any) -> Any:
            with self.measure(part):
                return work(*arguments, **options)

        return timed

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Add the block's time to a part."""
        _wait()
        started = time.perf_counter()
        yield
        _wait()
        self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - started


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def make_images(case: Case, device: torch.device) -> TrainValidation:
    """Return random images with random labels."""
    generator, count = torch.Generator().manual_seed(0), case.train + case.validation
    images = torch.randint(256, (count, *case.shape), dtype=torch.uint8, generator=generator).to(device)
    labels = torch.randint(CLASSES, (count,), generator=generator).to(device)

    def part(start: int, end: int) -> Examples:
        scale = (0.5,) * case.shape[2]
        indices = torch.arange(start, end, device=device)
        return Examples(images_NHWC=images, labels_N=labels, mean=scale, std=scale, indices=indices)

    trained = part(0, case.train)
    height, width, channels = case.shape
    return TrainValidation(
        train=trained,
        validation=part(case.train, count),
        unlabelled=trained,
        classes=tuple("0123456789"),
        image_shape=(channels, height, width),
        device=device,
        merged=False,
    )


def measure(case: Case, epochs: int | None, device: torch.device) -> str:
    """Train once, and return a row of the table."""
    clock, callback, data = Clock(), LayersCallback(), make_images(case, device)
    config = Configuration({**case.config, "optimizer": Choice("adamw", {"learning_rate": 1e-3}), "batch_size": 128})
    space = Space(**{name: Fixed(value) for name, value in case.config.items()})
    objective = Objective(data="digits", model=case.model, space=space)
    with (
        mock.patch.object(loop, "evaluate_apart", clock.time("clean", loop.evaluate_apart)),
        mock.patch.object(LayerWatch, "start_epoch", clock.time("layers", LayerWatch.start_epoch)),
        mock.patch.object(LayerWatch, "end_batch", clock.time("layers", LayerWatch.end_batch)),
        clock.measure("whole"),
    ):
        train(objective, config, data, lambda *_: None, epochs=epochs or case.epochs, seed=0, callback=callback)
    sizes = [len(json.dumps(document)) for document in callback.layers.values()]
    whole, clean, layers = (clock.seconds[part] for part in ("whole", "clean", "layers"))
    each = whole / (epochs or case.epochs)
    return (
        f"| {case.name} | {each:.3g} | {clean / whole:.1%} | {layers / whole:.1%} | {len(sizes)} of "
        f"{epochs or case.epochs} | {max(sizes)} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{platform.machine()}, torch {torch.__version__}, {given.device}, one thread\n")
    print("| training | seconds an epoch | clean loss and accuracy | layers | epochs measured | bytes |")
    print("|---|---|---|---|---|---|")
    measure(CASES[0], 1, torch.device(given.device))  # the first training of a process loads libraries
    for case in CASES:
        print(measure(case, given.epochs, torch.device(given.device)), flush=True)


if __name__ == "__main__":
    main()
