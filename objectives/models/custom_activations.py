"""Activation modules that torch does not have. B: batch, F: features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Swish(nn.Module):
    """x * sigmoid(beta x) (Ramachandran et al. 2017); if `learned`, beta is one parameter per layer."""

    def __init__(self, beta: float = 1.0, learned: bool = False) -> None:
        super().__init__()
        # A tensor without dimensions keeps half-precision inputs in half precision.
        self.beta = nn.Parameter(torch.tensor(float(beta))) if learned else beta

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.beta * x)

    def extra_repr(self) -> str:
        """Return what `print` shows: beta, with its current value if it is learned."""
        if isinstance(self.beta, Tensor):
            return f"beta={self.beta.detach().item():g}, learned=True"
        return f"beta={self.beta:g}, learned=False"


class SwiGlu(nn.Module):
    """swish(z1) * z2 for the halves z1, z2 of the features (Shazeer 2020): (B, 2F, ...) becomes (B, F, ...)."""

    def forward(self, z: Tensor) -> Tensor:
        gate, value = z.chunk(2, dim=1)
        return F.silu(gate) * value


class SquaredRelu(nn.Module):
    """max(0, x)^2 (So et al. 2021)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()
