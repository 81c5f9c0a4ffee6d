"""Folded batch norm gives what the network gave, without the norms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from objectives.base.errors import ObjectiveError
from objectives.variants.folding import fold_batch_norm
from tests.objectives.variants.made import convolutional, dense, images, lived_in


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in model.modules())


class Residual(nn.Module):
    """A block below other modules, with its norms in another Sequential."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3))
        self.output = nn.Linear(3, 4)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        logits_BK: Tensor = self.output((x_BCHW + self.body(x_BCHW)).mean(dim=(2, 3)))
        return logits_BK


@pytest.mark.parametrize(("build", "pairs"), [(dense, 2), (convolutional, 2), (Residual, 1)])
def test_outputs_are_equal_and_the_norms_gone(build: Callable[[], nn.Module], pairs: int) -> None:
    model = lived_in(build())
    with torch.no_grad():
        expected = model(images())
        folded = fold_batch_norm(model.train())
        torch.testing.assert_close(folded(images()), expected, atol=1e-5, rtol=1e-5)
        # The statistics are not those of a fresh norm, which would be as good as none.
        assert not torch.allclose(model(images()), expected, atol=1e-2)
    assert norms(model) == pairs
    assert norms(folded) == 0
    assert sum(p.numel() for p in folded.parameters()) < sum(p.numel() for p in model.parameters())


def test_what_is_no_pair_stays() -> None:
    model = lived_in(
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(192, 8),
            nn.ReLU(),
            nn.BatchNorm1d(8),  # after the activation
            nn.Linear(8, 6),
            nn.BatchNorm1d(6),
            nn.BatchNorm1d(6),  # after another norm
        )
    )
    folded = fold_batch_norm(model)
    assert norms(folded) == 2
    with torch.no_grad():
        torch.testing.assert_close(folded(images()), model(images()), atol=1e-5, rtol=1e-5)


def test_a_layer_that_computes_something_else_is_left_alone() -> None:
    class Doubled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    pair = nn.Sequential(nn.Flatten(), Doubled(192, 4), nn.BatchNorm1d(4))
    with pytest.raises(ObjectiveError, match="needs a batch norm directly after"):
        fold_batch_norm(pair)


@pytest.mark.parametrize(
    "norm",
    [
        nn.Identity(),
        nn.LayerNorm(4),
        nn.BatchNorm1d(4, track_running_stats=False),
        nn.BatchNorm1d(4, affine=False),
    ],
)
def test_nothing_to_fold_is_an_error(norm: nn.Module) -> None:
    with pytest.raises(ObjectiveError, match="needs a batch norm directly after"):
        fold_batch_norm(nn.Sequential(nn.Flatten(), nn.Linear(192, 4), norm))
