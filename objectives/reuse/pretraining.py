"""Training on images without labels, before the training proper."""

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

# task(features, image_shape) -> module with forward(network, x_BCHW) -> loss.
Task = Callable[[int, ImageShape], nn.Module]


def pretrain(
    network: Network, reusing: ReuseContext, task: Task, *, layers: int, epochs: int, rate: float, batch_size: int
) -> None:
    """Train the whole network with the task's head; keep the lowest `layers` stages, and reset all the rest.

    Reset means to the weights that the network came with. Adam, at a constant learning rate `rate`. The random
    numbers of the training proper are the same as without. Nothing is done where that has begun already.

    Raises:
        Diverged: the loss became NaN or infinite.
        ObjectiveError: the task does not fit the images.
    """
    if reusing.begun:
        return
    fresh = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    device = reusing.data.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(derive_seed(reusing.seed, "pretrain", "weights"))
        head = task(network.output.in_features, reusing.data.image_shape).to(device)
        _learn(network, head, reusing, epochs=epochs, rate=rate, batch_size=batch_size)
    kept = tuple(f"stages.{index}." for index in range(layers))
    learned = {name: tensor for name, tensor in network.state_dict().items() if name.startswith(kept)}
    network.load_state_dict({**fresh, **learned})
    network.zero_grad()


def _learn(
    network: Network, head: nn.Module, reusing: ReuseContext, *, epochs: int, rate: float, batch_size: int
) -> None:
    data = reusing.data
    optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=rate)
    network.train()
    for epoch in range(epochs):
        total_loss = torch.zeros((), device=data.device)
        order_seed = derive_seed(reusing.seed, "pretrain", "order", epoch)
        for x_BCHW in data.unlabelled.images(batch_size, order_seed=order_seed, drop_last=True):
            with autocast(data.device, reusing.precision):
                loss = head(network, x_BCHW)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total_loss += loss.detach()
            reusing.beat()
        if not math.isfinite(total_loss.item()):
            raise Diverged(f"the loss of pretraining became {total_loss.item()} in its epoch {epoch}")
