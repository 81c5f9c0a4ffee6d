"""Convolution kernels as matrices, for an optimizer that only accepts matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

Groups = list[dict[str, Any]]  # of torch.optim


class FlattenedKernels(Optimizer):
    """An optimizer of matrices that also takes kernels, each as the matrix (outputs, inputs * height * width).

    `param_groups` and `state` refer to kernels, but a momentum has the shape of its matrix. The optimizer that `build`
    returns works on copies, because a kernel in channels-last memory has no view of that shape; 2-D weights are passed
    to it as they are.
    """

    def __init__(self, groups: Groups, build: Callable[[Groups], Optimizer]) -> None:
        weights: list[Tensor] = [weight for group in groups for weight in group["params"]]
        self.matrices = {w: w if w.ndim == 2 else w.detach().flatten(1).clone() for w in weights}
        self.inner = build([{**group, "params": [self.matrices[w] for w in group["params"]]} for group in groups])
        built = zip(self.inner.param_groups, groups, strict=True)
        super().__init__([{**inner, "params": group["params"]} for inner, group in built], {})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Take a step for every weight that has a gradient, with the groups' current learning rates."""
        for inner, group in zip(self.inner.param_groups, self.param_groups, strict=True):
            inner.update({**group, "params": inner["params"]})
        learning = {weight: matrix for weight, matrix in self.matrices.items() if weight.grad is not None}
        for weight, matrix in learning.items():
            self.inner.state[matrix] = self.state[weight]  # a shared dict, which either of the two may fill
            if matrix is not weight and weight.grad is not None:
                matrix.copy_(weight.flatten(1))
                matrix.grad = weight.grad.flatten(1)
        self.inner.step()
        for weight, matrix in learning.items():
            if matrix is not weight:
                weight.copy_(matrix.view_as(weight))
                matrix.grad = None  # otherwise a kernel that is frozen later would seem to have a gradient
