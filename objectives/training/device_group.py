"""The devices that train one network together, each in a process of its own, and what they exchange.

Each has the whole network, computes gradients on its share of a batch, and takes the same step on the sum. What they
exchange is summed up by `torch.distributed`, whose results are the same bits on every device: so the networks stay
equal, and the state of the first one is that of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
import torch.distributed as dist
from torch import Tensor, nn

from objectives.base.seeds import derive_seed
from objectives.data.batches.share import WHOLE, Share
from objectives.training.random_states import seed_generators


@dataclass(frozen=True, kw_only=True)
class DeviceGroup:
    """This process's place among those that train a network together; by default it is alone and exchanges nothing.

    share: its part of every batch. With several, `torch.distributed` has been initialized.
    """

    share: Share = WHOLE

    @property
    def is_alone(self) -> bool:
        """Whether there is only one device."""
        return self.share.ranks == 1

    @property
    def is_first(self) -> bool:
        """Whether this is the device whose reports and checkpoints count."""
        return self.share.rank == 0

    def copy_first(self, model: nn.Module) -> None:
        """Give every device the parameters and buffers of the first one, bit for bit."""
        if not self.is_alone:
            _broadcast([*model.parameters(), *model.buffers()])

    def seed_step(self, seed: int, epoch: int, batch: int, device: torch.device) -> None:
        """Seed the generators that dropout and the like draw from, for one step: differently on each device.

        Being a function of the step, they need no place in a checkpoint.
        """
        if not self.is_alone:
            seed_generators(derive_seed(seed, "step", self.share.rank, epoch, batch), device)

    def sum_gradients(self, model: nn.Module, loss: Tensor, fraction: float) -> Tensor:
        """Replace every gradient by its mean over the whole batch, and return the loss of the whole batch.

        A parameter that the loss did not depend on gets a gradient of zeros. Buffers, such as the running statistics
        of batch norm, become those of the first device, as in `torch.nn.parallel.DistributedDataParallel`.

        Args:
            model: with the gradients of the mean loss of this device's examples.
            loss: that loss, a scalar.
            fraction: how much of the batch these examples are, 0 to 1.
        """
        if self.is_alone:
            return loss
        loss = loss.clone()
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        for parameter in learning:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        _sum([loss, *(parameter.grad for parameter in learning if parameter.grad is not None)], fraction)
        _broadcast([*model.buffers()])
        return loss

    def add_up(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all devices."""
        if not self.is_alone:
            dist.all_reduce(values)
        return values


ALONE = DeviceGroup()


@torch.no_grad()
def _sum(tensors: Iterable[Tensor], factor: float) -> None:
    """Replace tensors by their sums over all devices, each device's times its factor; one exchange for each type."""
    for same in _group_by_type(tensors):
        flat = torch.cat([tensor.reshape(-1) for tensor in same]).mul_(factor)
        dist.all_reduce(flat)
        for tensor, part in zip(same, torch.split(flat, [tensor.numel() for tensor in same]), strict=True):
            tensor.copy_(part.view_as(tensor))


@torch.no_grad()
def _broadcast(tensors: Sequence[Tensor]) -> None:
    """Replace tensors of any types by those of the first device, in one exchange of their bytes."""
    if not tensors:
        return
    contents = [tensor.detach().contiguous().reshape(-1).view(torch.uint8) for tensor in tensors]
    flat = torch.cat(contents)
    dist.broadcast(flat, src=0)
    if dist.get_rank() == 0:
        return
    for tensor, part in zip(tensors, torch.split(flat, [content.numel() for content in contents]), strict=True):
        tensor.copy_(part.clone().view(tensor.dtype).view(tensor.shape))


def _group_by_type(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    ordered = sorted(tensors, key=lambda tensor: str(tensor.dtype))
    return [list(same) for _, same in groupby(ordered, key=lambda tensor: tensor.dtype)]
