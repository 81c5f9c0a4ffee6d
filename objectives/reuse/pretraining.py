"""Pretraining: training on images without labels, before the main training."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from objectives.base.device import autocast
from objectives.base.errors import Diverged
from objectives.base.seeds import derive_seed
from objectives.models.config import ImageShape
from objectives.models.network import Network
from objectives.reuse.context import ReuseContext

# task(features, image_shape) returns a module with forward(network, x_BCHW) -> loss.
Task = Callable[[int, ImageShape], nn.Module]


def pretrain(
    network: Network, context: ReuseContext, task: Task, *, layers: int, epochs: int, rate: float, batch_size: int
) -> None:
    """Train the whole network on a task, keep the lowest `layers` stages, and reset the rest to its initial weights.

    Uses Adam at a constant learning rate `rate`. The main training draws the same random numbers as without it. Does
    nothing if the main training has begun already.

    Raises:
        Diverged: the loss became NaN or infinite.
        ObjectiveError: the task does not fit the images.
    """
    if context.begun:
        return
    initial = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    device = context.data.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(derive_seed(context.seed, "pretrain", "weights"))
        head = task(network.output.in_features, context.data.image_shape).to(device)
        _train(network, head, context, epochs=epochs, rate=rate, batch_size=batch_size)
    kept = tuple(f"stages.{index}." for index in range(layers))
    learned = {name: tensor for name, tensor in network.state_dict().items() if name.startswith(kept)}
    network.load_state_dict({**initial, **learned})
    network.zero_grad()


def _train(
    network: Network, head: nn.Module, context: ReuseContext, *, epochs: int, rate: float, batch_size: int
) -> None:
    data = context.data
    optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=rate)
    network.train()
    for epoch in range(epochs):
        total_loss = torch.zeros((), device=data.device)
        order_seed = derive_seed(context.seed, "pretrain", "order", epoch)
        for x_BCHW in data.unlabelled.images(batch_size, order_seed=order_seed, drop_last=True):
            with autocast(data.device, context.precision):
                loss = head(network, x_BCHW)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total_loss += loss.detach()
            context.beat()
        if not math.isfinite(total_loss.item()):
            raise Diverged(f"the pretraining loss became {total_loss.item()} in pretraining epoch {epoch}")
