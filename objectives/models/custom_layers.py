"""Modules that torch does not have. B: batch, C: channels, F: features, T: steps, H, W: height and width."""

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

    def __init__(self, beta: float = 1.0, learned: bool = False) -> None:
        super().__init__()
        # SiLU is Swish with beta 1, in one pass over memory.
        self.swish = nn.SiLU() if beta == 1 and not learned else Swish(beta, learned)

    def forward(self, z: Tensor) -> Tensor:
        gate, value = z.chunk(2, dim=1)
        gated: Tensor = self.swish(gate) * value
        return gated


class SquaredRelu(nn.Module):
    """max(0, x)^2 (So et al. 2021)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each position: (B, C, H, W) as (B, C, H, W), as in ConvNeXt (Liu et al. 2022)."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return super().forward(x_BCHW.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class EachStep(nn.Module):
    """A norm of vectors for every step of a sequence, (B, T, F); batch statistics count all steps of all examples."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x_BTF: Tensor) -> Tensor:
        normed_BTF: Tensor = self.norm(x_BTF.flatten(0, 1)).unflatten(0, x_BTF.shape[:2])
        return normed_BTF
