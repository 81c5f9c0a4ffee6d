"""An epoch against loops as tutorials write them: CPU time of one thread, in turn, in one process.

    python -m tests.benchmarks.plain_loops --data DIR [--repeats N] [--examples N] [--seeds N]

First the MLP of `tests.benchmarks.epoch` against torchvision's FashionMNIST with ToTensor and Normalize in a
DataLoader of this process. Then a CNN of four layers of 32 channels against the same network in float32, as plain
PyTorch runs it, from the same memory; with the accuracies after three epochs. B: batch, C: channels, H, W: height and
width, K: classes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import FashionMNIST
from torchvision.transforms import Compose, Normalize, ToTensor

from objectives.core.run import build_network, train
from objectives.discovery import find_objective
from spaces import Choice, Configuration
from tests.benchmarks.epoch import BATCH, CLASSES, MOMENTUM, RATE, SIZE, Material, material, network, parts, shipped

CNN_BATCH, CNN_RATE, EPOCHS = 128, 1e-3, 3
CNN = {
    "depth": 4,
    "width": 32,
    "pool_rounds": 2,
    "dropout": 0.0,
    "batch_size": CNN_BATCH,
    "schedule": Choice("constant"),
}


def with_loader(given: Material, data: Path) -> Callable[[], object]:
    """Return an epoch of the MLP, ready to run, with a DataLoader, and the accuracy on the validation images."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, nesterov=True)
    prepare = Compose([ToTensor(), Normalize(given.mean, given.std)])
    images = FashionMNIST(str(data), train=True, transform=prepare)
    trained = DataLoader(Subset(images, given.train.tolist()), BATCH, shuffle=True, drop_last=True)
    validated = DataLoader(Subset(images, given.validation.tolist()), BATCH)

    def run() -> float:
        model.train()
        for x_BCHW, y_B in trained:
            optimizer.zero_grad()
            F.cross_entropy(model(x_BCHW), y_B).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return measure(model, list(validated))

    return run


def measure(model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> float:
    """Return the accuracy on some batches."""
    model.eval()
    with torch.no_grad():
        right = sum(int((model(x_BCHW).argmax(1) == y_B).sum()) for x_BCHW, y_B in batches)
    return right / sum(len(y_B) for _, y_B in batches)


def train_cnn(given: Material, seed: int) -> tuple[float, float]:
    """Train the CNN as `fashion-conv` does; return the CPU seconds of an epoch and the last accuracy."""
    moments, accuracies = [time.process_time()], []

    def report(epoch: int, metrics: Mapping[str, float]) -> None:
        moments.append(time.process_time())
        accuracies.append(metrics["accuracy"])

    config = Configuration({**CNN, "optimizer": Choice("adamw", {"learning_rate": CNN_RATE, "weight_decay": 0.0})})
    train(find_objective("fashion-conv").objective, config, parts(given), report, epochs=EPOCHS, seed=seed)
    return (moments[-1] - moments[1]) / (EPOCHS - 1), accuracies[-1]


def train_plain_cnn(given: Material, seed: int) -> tuple[float, float]:
    """Train the same network in float32 by hand; return the same."""
    torch.manual_seed(seed)
    config = Configuration({**CNN, "image_shape": (1, SIZE, SIZE), "classes": CLASSES})
    model = build_network(find_objective("fashion-conv").objective, config).to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.AdamW(model.parameters(), lr=CNN_RATE, weight_decay=0.0)

    def batch(indices_B: Tensor) -> tuple[Tensor, Tensor]:
        x_BCHW = given.images_NHWC[indices_B].permute(0, 3, 1, 2).contiguous().float()
        return (x_BCHW / 255 - given.mean) / given.std, given.labels_N[indices_B]

    moments, accuracy = [time.process_time()], 0.0
    for _ in range(EPOCHS):
        model.train()
        for indices_B in given.train[torch.randperm(len(given.train))].split(CNN_BATCH):
            x_BCHW, y_B = batch(indices_B)
            optimizer.zero_grad()
            F.cross_entropy(model(x_BCHW), y_B).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        accuracy = measure(model, [batch(indices_B) for indices_B in given.validation.split(BATCH)])
        moments.append(time.process_time())
    return (moments[-1] - moments[1]) / (EPOCHS - 1), accuracy


def compare_loader(given: Material, data: Path, repeats: int) -> None:
    """Print the ratio of an epoch with a DataLoader to one of `fit`."""
    sides = with_loader(given, data), shipped(given)
    for side in sides:
        side()
    ratios = []
    for _ in range(repeats):
        loader, fit = (_time(side) for side in sides)
        ratios.append(loader / fit)
        print(f"MLP: DataLoader {loader:.2f} s, fit {fit:.2f} s, ratio {ratios[-1]:.1f}", flush=True)
    print(f"MLP: ratio {statistics.median(ratios):.1f} (median; {min(ratios):.1f} to {max(ratios):.1f})")


def compare_cnn(given: Material, seeds: int) -> None:
    """Print the ratio of an epoch of the plain CNN to one of ours, and both accuracies."""
    rows = []
    for seed in range(seeds):
        (plain, plain_accuracy), (ours, accuracy) = train_plain_cnn(given, seed), train_cnn(given, seed)
        rows.append((plain / ours, plain_accuracy, accuracy))
        print(f"CNN: plain {plain:.2f} s ({plain_accuracy:.4f}), ours {ours:.2f} s ({accuracy:.4f})", flush=True)
    ratios, theirs, our = zip(*rows, strict=True)
    print(
        f"CNN: ratio {statistics.median(ratios):.2f} (median; {min(ratios):.2f} to {max(ratios):.2f}), accuracy plain "
        f"{statistics.fmean(theirs):.4f}, ours {statistics.fmean(our):.4f}"
    )


def _time(side: Callable[[], object]) -> float:
    began = time.process_time()
    side()
    return time.process_time() - began


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description="Time an epoch against loops as in tutorials.")
    parser.add_argument("--data", type=Path, required=True, help="folder with FashionMNIST/raw")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--examples", type=int, default=12_000, help="images of the CNN")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    compare_loader(material(arguments.data, 60_000), arguments.data, arguments.repeats)
    compare_cnn(material(arguments.data, arguments.examples), arguments.seeds)


if __name__ == "__main__":
    main()
