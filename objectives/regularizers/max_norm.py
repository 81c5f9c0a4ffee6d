"""Max-norm: a constraint on weights, applied after each step."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def constrain_(weights: Iterable[Tensor], limit: float) -> None:
    """Scale down in place each unit's incoming weights to an l2 norm of at most `limit`, above 0.

    A unit is an index of the first dimension: a row of a linear layer's weight or of a recurrent layer's `weight_ih`
    and `weight_hh`, or the kernel of one output channel of a convolution.
    """
    for weight in weights:
        incoming = tuple(range(1, weight.ndim))
        # In double precision, because in single precision a sum over a million squares is off by 1e-5.
        norms = torch.linalg.vector_norm(weight, dim=incoming, keepdim=True, dtype=torch.float64)
        weight.mul_((limit / norms).clamp(max=1.0).to(weight.dtype))
