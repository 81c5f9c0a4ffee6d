"""Monte Carlo dropout. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from objectives.base.errors import ObjectiveError
from objectives.variants.averaging import log_of_mean
from objectives.variants.copying import copy_for_prediction


class McDropout(nn.Module):
    """A network that predicts with dropout: the mean probabilities of `samples` predictions.

    All other modules, such as batch norm, are in evaluation mode. Each call seeds its random numbers with `seed`, so
    that two predictions agree, and does not change torch's global random state (Gal & Ghahramani 2016, equation 6,
    with probabilities as the outputs).

    Raises:
        ObjectiveError: the network has no dropout.
    """

    def __init__(self, model: nn.Module, *, samples: int, seed: int = 0) -> None:
        super().__init__()
        self.model = copy_for_prediction(model)
        self.samples = samples
        self.seed = seed
        if not any(map(_has_dropout, self.model.modules())):
            raise ObjectiveError(
                "mc_dropout needs a network with dropout above 0, but this one has none; remove the variant"
            )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the logarithm of the mean probabilities, (B, K)."""
        mean_BK, _ = self.predict_moments(x_BCHW)
        return log_of_mean([mean_BK])

    @torch.no_grad()
    def predict_moments(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the standard deviation of the samples' probabilities, (B, K) each."""
        self.model.eval()
        for module in filter(_has_dropout, self.model.modules()):
            module.training = True
        with _seed_device(self.seed, x_BCHW.device):
            mean_BK = self._sample(x_BCHW)
            squares_BK = torch.zeros_like(mean_BK)
            for count in range(2, self.samples + 1):  # Welford's algorithm avoids cancellation
                sample_BK = self._sample(x_BCHW)
                step_BK = sample_BK - mean_BK
                mean_BK = mean_BK + step_BK / count
                squares_BK = squares_BK + step_BK * (sample_BK - mean_BK)
        return mean_BK, (squares_BK / self.samples).sqrt()

    def _sample(self, x_BCHW: Tensor) -> Tensor:
        logits_BK: Tensor = self.model(x_BCHW)
        return logits_BK.float().softmax(dim=1)


def _has_dropout(module: nn.Module) -> bool:
    """Return whether dropout is the only thing that a module does differently in training mode."""
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0
    return isinstance(module, _DropoutNd) and module.p > 0


@contextmanager
def _seed_device(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the device's random numbers within the block, and restore its random state afterwards.

    `torch.manual_seed` would seed all other devices as well, without restoring them.
    """
    if device.type == "cuda":
        with torch.random.fork_rng([device], device_type="cuda"), torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
            yield
    else:
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(seed)
            yield
