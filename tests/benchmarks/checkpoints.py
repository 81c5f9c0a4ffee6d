"""What checkpoints cost: the share of a training's time that goes into packing its state and writing it.

    python -m tests.benchmarks.checkpoints [--data DIR] [--epochs N] [--repeats N] [--examples N]

Perceptrons of several sizes, batches of 256, AdamW, one thread, images of Fashion-MNIST's size: the real ones
where `--data` names their folder, else random bytes. The pace and the store are those of a worker; the folder is
on the disk of the temporary files. The row in the database that a worker writes besides is not in it.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from objectives.core.loop import fit
from objectives.models.catalogue import MODELS
from objectives.schedules.building import build_rates
from objectives.training.callbacks import NullCallback
from objectives.training.config import TrainingConfig
from search.settings import Settings
from search.workers.checkpointing import CheckpointInterval
from spaces import Choice
from storage.records.blob_stores import FolderStore
from tests.benchmarks.epoch import BATCH, CLASSES, SIZE, Material, material, parts

NETWORKS = ((3, 128), (3, 512))
RATE = 1e-3


class Writing(NullCallback):
    """Keeps states in a folder, at a worker's pace, and takes the time of it."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder)
        self.interval = CheckpointInterval(Settings.model_fields["checkpoint_share"].default)
        self.sizes: list[int] = []
        self.spent = 0.0
        self._asked_at = 0.0

    def due(self) -> bool:
        self._asked_at = time.monotonic()
        return self.interval.is_due()

    def keep(self, epoch: int, state: bytes) -> None:
        self.store.write("state", state)
        took = time.monotonic() - self._asked_at
        self.interval.add_cost(took)
        self.spent += took
        self.sizes.append(len(state))


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One training: seconds in all, seconds for its states, and their sizes in bytes."""

    seconds: float
    spent: float
    sizes: list[int]


def measured(given: Material, depth: int, width: int, epochs: int) -> Cost:
    """Train once, with checkpoints."""
    torch.manual_seed(0)
    model = MODELS["mlp"].build(MODELS["mlp"].config(depth=depth, width=width), (1, SIZE, SIZE), CLASSES)
    config = TrainingConfig(optimizer=Choice("adamw", {"learning_rate": RATE}), batch_size=BATCH)
    rates = build_rates(Choice("constant"), RATE, epochs)
    with TemporaryDirectory() as folder:
        callback, began = Writing(Path(folder)), time.monotonic()
        fit(model, parts(given), config, rates, lambda *_: None, epochs=epochs, seed=0, callback=callback)
        return Cost(seconds=time.monotonic() - began, spent=callback.spent, sizes=callback.sizes)


def main() -> None:
    """Print a line for each network."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--epochs", type=int, default=10)
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--examples", type=int, default=60_000)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    given = material(options.data, options.examples)
    print(f"torch {torch.__version__}, 1 thread, {platform.platform()}, {options.epochs} epochs")
    for depth, width in NETWORKS:
        costs = [measured(given, depth, width, options.epochs) for _ in range(options.repeats)]
        shares = [cost.spent / cost.seconds for cost in costs]
        sizes = [size for cost in costs for size in cost.sizes] or [0]
        print(
            f"{depth} x {width}: {statistics.median(cost.seconds for cost in costs):.1f} s, "
            f"{statistics.median(len(cost.sizes) for cost in costs):.0f} checkpoints of "
            f"{statistics.mean(sizes) / 2**20:.1f} MiB, share {statistics.median(shares):.4f} "
            f"(median of {len(shares)}; {min(shares):.4f} to {max(shares):.4f})"
        )


if __name__ == "__main__":
    main()
