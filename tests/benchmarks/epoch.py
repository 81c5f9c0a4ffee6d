"""How long an epoch takes: `fit` against a fast loop written by hand, in turn, in one process.

    python -m tests.benchmarks.epoch [--data DIR] [--repeats N] [--examples N]

An MLP of three layers of 128 units, batches of 256, SGD with Nesterov momentum, one thread, images of
Fashion-MNIST's size: the real ones where `--data` names their folder, else random bytes. Both sides train on
nine tenths of them and then measure accuracy and loss on the rest. B: batch, C: channels, H, W: height and
width, K: classes, N: the data set.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.core.loop import fit
from objectives.data.batches.examples import Examples, TrainValidation
from objectives.data.batches.pixel_statistics import compute_pixel_statistics
from objectives.data.cache import prepare
from objectives.data.splits.split import split_examples
from objectives.models.catalogue import MODELS
from objectives.schedules.building import build_rates
from objectives.training.config import TrainingConfig
from objectives.training.evaluation import EVALUATION_BATCH
from spaces import Choice

BATCH, DEPTH, WIDTH, CLASSES = 256, 3, 128, 10
RATE, MOMENTUM = 0.05, 0.9
SIZE = 28

Metrics = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Material:
    """What both sides start from: images (uint8, N H W C), labels, which train and which validate, pixel statistics."""

    images_NHWC: Tensor
    labels_N: Tensor
    train: Tensor
    validation: Tensor
    mean: float
    std: float


def material(data: Path | None, examples: int) -> Material:
    """`examples` real images from the folder `data`, or random ones."""
    images, labels = _real(data, examples) if data else _random(examples)
    sides = split_examples(labels, 0.1, 0)
    (mean,), (std,) = compute_pixel_statistics(images, sides.train)
    return Material(
        images_NHWC=torch.from_numpy(images),
        labels_N=torch.from_numpy(labels),
        train=torch.from_numpy(sides.train),
        validation=torch.from_numpy(sides.validation),
        mean=mean,
        std=std,
    )


def _real(data: Path, examples: int) -> tuple[np.ndarray, np.ndarray]:
    with TemporaryDirectory() as folder:
        prepared = prepare("fashion-mnist", data, Path(folder))
        return np.array(prepared.images()[:examples]), prepared.labels()[:examples]


def _random(examples: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (examples, SIZE, SIZE, 1), dtype=np.uint8)
    return images, generator.integers(0, CLASSES, examples)


def network() -> nn.Module:
    """The same untrained network for both sides."""
    torch.manual_seed(0)
    return MODELS["mlp"].build(MODELS["mlp"].config(depth=DEPTH, width=WIDTH), (1, SIZE, SIZE), CLASSES)


def parts(given: Material) -> TrainValidation:
    """The images as `fit` takes them."""

    def part(indices: Tensor) -> Examples:
        mean, std = (given.mean,), (given.std,)
        return Examples(images_NHWC=given.images_NHWC, labels_N=given.labels_N, mean=mean, std=std, indices=indices)

    train = part(given.train)
    return TrainValidation(
        train=train,
        validation=part(given.validation),
        unlabelled=train,
        classes=tuple("0123456789"),
        image_shape=(1, SIZE, SIZE),
        device=torch.device("cpu"),
        merged=False,
    )


def shipped(given: Material) -> Callable[[], Metrics]:
    """An epoch of `fit`, ready to run."""
    data = parts(given)
    options = {"learning_rate": RATE, "momentum": MOMENTUM}
    config = TrainingConfig(optimizer=Choice("nesterov", options), batch_size=BATCH)
    model, got, seeds = network(), dict[str, float](), count()

    def run() -> Metrics:
        rates = build_rates(Choice("constant"), RATE, 1)
        fit(model, data, config, rates, lambda epoch, metrics: got.update(metrics), epochs=1, seed=next(seeds))
        return got

    return run


def fast(given: Material) -> Callable[[], Metrics]:
    """The same epoch by hand, with nothing of ours but the network, as fast as we know how: one array of bytes, few
    passes over each batch, a fused optimizer, and tiny numbers taken for 0."""
    model = network()
    images_NCHW = given.images_NHWC.view(-1, 1, SIZE, SIZE)

    def batch(indices_B: Tensor) -> tuple[Tensor, Tensor]:
        x_BCHW = images_NCHW[indices_B].float().mul_(1 / (255 * given.std)).sub_(given.mean / given.std)
        return x_BCHW, given.labels_N[indices_B]

    def run() -> Metrics:
        torch.set_flush_denormal(True)
        try:
            return epoch()
        finally:
            torch.set_flush_denormal(False)

    def epoch() -> Metrics:
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, nesterov=True, fused=True)
        model.train()
        order = given.train[torch.randperm(len(given.train))]
        for start in range(0, max(1, len(order) // BATCH) * BATCH, BATCH):
            x_BCHW, y_B = batch(order[start : start + BATCH])
            loss = F.cross_entropy(model(x_BCHW), y_B)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        model.eval()
        right, total = torch.zeros((), dtype=torch.int64), torch.zeros(())
        with torch.no_grad():
            for start in range(0, len(given.validation), EVALUATION_BATCH):
                indices_B = given.validation[start : start + EVALUATION_BATCH]
                x_BCHW, y_B = batch(indices_B)
                logits_BK = model(x_BCHW)
                right += (logits_BK.argmax(1) == y_B).sum()
                total += F.cross_entropy(logits_BK, y_B, reduction="sum")
        N = len(given.validation)
        return {"accuracy": right.item() / N, "loss": total.item() / N}

    return run


def timed(run: Callable[[], Metrics]) -> tuple[float, float]:
    """Seconds of an epoch, and the validation loss after it."""
    started = time.perf_counter()
    metrics = run()
    return time.perf_counter() - started, metrics["loss"]


def compare(given: Material, repeats: int) -> None:
    """Print each pair of epochs, and the ratio of their times."""
    sides = shipped(given), fast(given)
    for side in sides:
        side()  # the first epoch pays for allocations and lazy set-up
    ratios = []
    for repeat in range(repeats):
        (ours, our_loss), (theirs, their_loss) = (timed(side) for side in sides)
        ratios.append(ours / theirs)
        print(
            f"{repeat + 1:3}  fit {ours:.3f} s (loss {our_loss:.3f})  "
            f"fast {theirs:.3f} s (loss {their_loss:.3f})  ratio {ratios[-1]:.3f}"
        )
    print(f"ratio {statistics.median(ratios):.3f} (median of {repeats}; {min(ratios):.3f} to {max(ratios):.3f})")


def processor() -> str:
    """The processor's model where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    """Read the command line, compare, and say on what."""
    parser = argparse.ArgumentParser(description="Time an epoch of fit against a fast loop.")
    parser.add_argument("--data", type=Path, help="folder with FashionMNIST/raw; random bytes without it")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--examples", type=int, default=60_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    given = material(arguments.data, arguments.examples)
    kind = "Fashion-MNIST" if arguments.data else "random"
    print(f"{len(given.train)} + {len(given.validation)} {kind} images, batch {BATCH}, MLP {DEPTH}x{WIDTH}")
    compare(given, arguments.repeats)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, {processor()}")


if __name__ == "__main__":
    main()
