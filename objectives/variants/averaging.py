"""Networks that average probabilities: of several snapshots, or over changed images.

B: batch, C: channels, H, W: height and width, K: classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.base.errors import ObjectiveError
from objectives.variants.copying import copy_for_prediction


def log_of_mean(probabilities: Sequence[Tensor]) -> Tensor:
    """Return the logarithm of the mean of probabilities, (B, K); that of a mean that rounds to 0 is finite, too."""
    mean_BK = torch.stack(list(probabilities)).mean(dim=0)
    return mean_BK.clamp_min(torch.finfo(mean_BK.dtype).tiny).log()


class SnapshotEnsemble(nn.Module):
    """Predicts the mean probabilities of networks of one training, each taken at a dip of the learning rate.

    Source: Huang et al. 2017, Snapshot Ensembles.

    members: at least two.

    Raises:
        ObjectiveError: there are fewer members.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        check_members(len(members))
        self.members = nn.ModuleList(map(copy_for_prediction, members))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the logarithm of the mean probabilities, (B, K)."""
        return log_of_mean([member(x_BCHW).float().softmax(dim=1) for member in self.members])


def check_members(count: int) -> None:
    """Raise `ObjectiveError` if there are too few snapshots for an ensemble."""
    if count < 2:
        raise ObjectiveError(
            f"snapshot_ensemble needs at least two dips of the learning rate (as cosine_restarts has them) within the "
            f"retraining, but this one has {count}; remove the variant, or train to the end with --epochs full"
        )


class TestTimeAugmentation(nn.Module):
    """Predicts the mean probabilities over an image and its changed copies.

    Source: Krizhevsky et al. 2012, section 4.1; Jordan 2024, 94% on CIFAR-10 in 3.29 seconds, section 3.5.

    mirror: whether half of the copies are mirrored left to right.
    shift: pixels by which copies are moved along each diagonal, the edge repeated; 0 for no such copies.
    """

    __test__ = False  # not a test, whatever its name begins with

    def __init__(self, model: nn.Module, *, mirror: bool, shift: int) -> None:
        super().__init__()
        if not mirror and not shift:
            raise ObjectiveError("test_time needs mirror=1 or a shift above 0: without both, images stay as they are")
        self.model = copy_for_prediction(model)
        self.mirror = mirror
        self.shift = shift

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the logarithm of the mean probabilities, (B, K)."""
        return log_of_mean([self.model(view_BCHW).float().softmax(dim=1) for view_BCHW in self._views(x_BCHW)])

    def _views(self, x_BCHW: Tensor) -> Iterator[Tensor]:
        for moved_BCHW in self._moved(x_BCHW):
            yield moved_BCHW
            if self.mirror:
                yield moved_BCHW.flip(3)

    def _moved(self, x_BCHW: Tensor) -> Iterator[Tensor]:
        yield x_BCHW
        if self.shift:
            height, width = x_BCHW.shape[2:]
            padded = F.pad(x_BCHW, (self.shift,) * 4, mode="replicate")
            for offset in (0, 2 * self.shift):
                yield padded[:, :, offset : offset + height, offset : offset + width]
