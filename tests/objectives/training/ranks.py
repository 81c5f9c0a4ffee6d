"""A script, one of two ranks on gloo: trains in several ways and keeps what came out, for `test_device_group`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[3]))

from objectives.base.errors import StopTraining
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.data.batches.share import Share
from objectives.training.device_group import DeviceGroup
from spaces import Choice, Configuration, Fixed, Space
from tests.objectives.training.made import StoppingCallback, digits

PLAIN = {
    "depth": 2,
    "width": 16,
    "optimizer": Choice("nesterov", {"learning_rate": 0.05, "momentum": 0.9}),
    "batch_size": 99,  # two shares of different sizes
    "clipping": "clip_norm",
    "l2": 1e-3,
    "label_smoothing": 0.1,
    "crop": 1,
}
DRAWING = {**PLAIN, "dropout": 0.3, "normalization": "batch_norm", "schedule": "plateau", "swa": False}
STOPS_AT = 20
"""The beat at which the interrupted training stops: in the middle of its second epoch."""


def objective() -> Objective:
    """Return one whose network has a depth and a width."""
    return Objective(data="digits", model="mlp", space=Space(depth=Fixed(2), width=Fixed(16)))


def run(values: dict[str, Any], group: DeviceGroup, **options: Any) -> dict[str, Any]:
    """Train three epochs; the weights and buffers, the curve without its seconds, and the best epoch's matrix."""
    torch.manual_seed(group.share.rank)  # what a training draws must follow from its seed
    rows: list[dict[str, float]] = []

    def report(epoch: int, metrics: Mapping[str, float]) -> None:
        rows.append({name: value for name, value in metrics.items() if name != "seconds"})

    config, callback = Configuration(values), options.pop("callback", StoppingCallback())
    model = train(objective(), config, digits(), report, epochs=3, seed=7, group=group, callback=callback, **options)
    return {"state": model.state_dict(), "rows": rows, "confusion": callback.confusions[-1]}


def run_interrupted(group: DeviceGroup, folder: Path) -> dict[str, Any]:
    """Stop in the middle, and go on from the first rank's state on both."""
    callback = StoppingCallback(STOPS_AT)
    with suppress(StopTraining):
        run(DRAWING, group, callback=callback)
    state = folder / "state"
    if group.is_first:
        state.write_bytes(callback.states[-1][1])
    dist.barrier()
    callback.states = [(1, state.read_bytes())]
    return run(DRAWING, group, callback=callback)


def draw(group: DeviceGroup, batch: int) -> float:
    """Return a random number of a step."""
    group.seed_step(5, 1, batch, torch.device("cpu"))
    return torch.rand(()).item()


def sum_unused(group: DeviceGroup) -> torch.Tensor:
    """Return the gradient of a parameter that only the second device's loss depends on; it has a third of the batch."""
    model = nn.Linear(1, 1, bias=False)
    loss = model.weight.sum() * 6.0 if not group.is_first else torch.zeros((), requires_grad=True)
    loss.backward()  # type: ignore[no-untyped-call]
    group.sum_gradients(model, loss.detach(), 2 / 3 if group.is_first else 1 / 3)
    assert model.weight.grad is not None
    return model.weight.grad


def copy_buffers(group: DeviceGroup) -> list[torch.Tensor]:
    """Return what buffers of many types are after the first device's were copied."""
    model, rank = nn.Module(), group.share.rank
    model.register_buffer("flag", torch.tensor([rank == 0, True, False]))
    model.register_buffer("count", torch.tensor(2**40 + rank))
    model.register_buffer("precise", torch.full((2, 3), 0.1 + rank, dtype=torch.float64).t())
    model.register_buffer("short", torch.full((3,), 1.5 + rank, dtype=torch.bfloat16))
    group.copy_first(model)
    return [*model.buffers()]


def main(rank: int, folder: Path) -> None:
    """Do all of it, and keep it in a file."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    store = dist.FileStore(str(folder / "store"), 2)  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=120))
    group = DeviceGroup(share=Share(rank=rank, ranks=2))
    digits()
    found = {
        "plain": run(PLAIN, group),
        "drawing": run(DRAWING, group),
        "resumed": run_interrupted(group, folder),
        "drawn": [draw(group, 0), draw(group, 1), draw(group, 0)],
        "unused": sum_unused(group),
        "buffers": copy_buffers(group),
    }
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
