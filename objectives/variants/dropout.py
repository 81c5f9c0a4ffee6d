"""Monte Carlo dropout. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from objectives.base.errors import ObjectiveError
from objectives.variants.copying import copy_for_prediction


class McDropout(nn.Module):
    """A network that predicts with its dropout kept on: the mean probabilities of `samples` predictions.

    Everything else, batch norm above all, predicts as usual. Each call draws from a generator seeded anew with
    `seed`, so that two predictions agree, and leaves torch's global random state as it was
    (Gal & Ghahramani 2016, equation 6, with probabilities as the outputs).

    Raises:
        ObjectiveError: the network drops nothing out.
    """

    def __init__(self, model: nn.Module, *, samples: int, seed: int = 0) -> None:
        super().__init__()
        self.model = copy_for_prediction(model)
        self.samples = samples
        self.seed = seed
        if not any(map(_drops, self.model.modules())):
            raise ObjectiveError(
                "mc_dropout needs a network with dropout above 0, but this one has none; leave the variant out"
            )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The logarithm of the mean probabilities, (B, K)."""
        mean_BK, _ = self.moments(x_BCHW)
        # A probability too small for a float would become minus infinity.
        return mean_BK.clamp_min(torch.finfo(mean_BK.dtype).tiny).log()

    @torch.no_grad()
    def moments(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of the samples' probabilities and their standard deviation, (B, K) each."""
        self.model.eval()
        for module in filter(_drops, self.model.modules()):
            module.training = True
        with _seeded(self.seed, x_BCHW.device):
            mean_BK = self._sample(x_BCHW)
            squares_BK = torch.zeros_like(mean_BK)
            for count in range(2, self.samples + 1):  # Welford's algorithm: no sum of squares that cancels
                sample_BK = self._sample(x_BCHW)
                step_BK = sample_BK - mean_BK
                mean_BK = mean_BK + step_BK / count
                squares_BK = squares_BK + step_BK * (sample_BK - mean_BK)
        return mean_BK, (squares_BK / self.samples).sqrt()

    def _sample(self, x_BCHW: Tensor) -> Tensor:
        logits_BK: Tensor = self.model(x_BCHW)
        return logits_BK.float().softmax(dim=1)


def _drops(module: nn.Module) -> bool:
    """Whether a module drops units out while it trains, and does nothing else that evaluation does not."""
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0
    return isinstance(module, _DropoutNd) and module.p > 0


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draws on the device come from this seed within the block, and as before after it.

    Not `torch.manual_seed`, which would seed every other device for good.
    """
    if device.type == "cuda":
        with torch.random.fork_rng([device], device_type="cuda"), torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
            yield
    else:
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(seed)
            yield
