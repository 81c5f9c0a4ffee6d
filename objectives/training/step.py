"""One step of gradient descent. B: batch, C: channels, H, W: height and width."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.base.device import Precision, autocast
from objectives.base.registry import resolve
from objectives.optimizers.clipping import CLIPPINGS
from objectives.optimizers.execution import choose_execution
from objectives.optimizers.groups import build_optimizer, scale_rate, trainable_weights
from objectives.optimizers.lookahead import Lookahead
from objectives.regularizers.max_norm import constrain_
from objectives.regularizers.penalties import compute_penalty
from objectives.training.config import TrainingConfig
from objectives.training.device_group import ALONE, DeviceGroup


class Step:
    """One optimization step: loss and penalties, gradients, clipping, the optimizer's update, the constraint.

    own_rates: the parameters that learn at a multiple of the learning rate. group: the devices that take it together.

    Raises:
        ObjectiveError: unknown optimizer, clipping or option.
    """

    def __init__(
        self,
        model: nn.Module,
        config: TrainingConfig,
        precision: Precision,
        device: torch.device,
        own_rates: Mapping[nn.Parameter, float] | None = None,
        group: DeviceGroup = ALONE,
    ) -> None:
        self.model = model
        self.config = config
        self.precision = precision
        self.group = group
        self.optimizer = build_optimizer(
            model, config.optimizer_choice, bias_rate=config.bias_rate, own_rates=own_rates
        )
        if config.lookahead:
            self.optimizer = Lookahead(self.optimizer, steps=config.lookahead, share=config.lookahead_share)
        choose_execution(self.optimizer, device)
        clipping, options = resolve(CLIPPINGS, config.clipping, "clipping")
        self.clip = clipping.build(**options)

    def compute_gradients(self, x_BCHW: Tensor, y_B: Tensor, fraction: float = 1.0) -> Tensor:
        """Set every parameter's gradient; return the loss, including penalties, as a scalar without gradient.

        Both are those of the whole batch, of which the group's other devices have the rest.

        fraction: how much of it these examples are.
        """
        config = self.config
        with autocast(x_BCHW.device, self.precision):
            loss = F.cross_entropy(self.model(x_BCHW), y_B, label_smoothing=config.label_smoothing)
        if config.l1 or config.l2:
            loss = loss + compute_penalty(trainable_weights(self.model), config.l1, config.l2)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        loss = self.group.sum_gradients(self.model, loss.detach(), fraction)
        self.clip(self.model.parameters())
        return loss

    def update(self) -> None:
        """Change the weights by their gradients at the optimizer's current rates."""
        self.optimizer.step()
        if self.config.max_norm:
            constrain_(trainable_weights(self.model), self.config.max_norm)


def set_rates(optimizer: torch.optim.Optimizer, learning_rate: float | Tensor, momentum: float | None) -> None:
    """Set every group's learning rate and, unless it is None, the momentum (or first beta) of groups that have one."""
    for group in optimizer.param_groups:
        group["lr"] = scale_rate(group, learning_rate)
        if momentum is not None and "betas" in group:
            group["betas"] = (momentum, *group["betas"][1:])
        elif momentum is not None and group.get("momentum"):
            group["momentum"] = momentum
