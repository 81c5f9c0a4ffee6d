"""Shares of a batch: together the whole, in order, of nearly equal sizes."""

from __future__ import annotations

import pytest
import torch

from objectives.data.batches.augmentation import Augmentation
from objectives.data.batches.share import WHOLE, Share
from tests.objectives.training.made import digits


@pytest.mark.parametrize(
    ("count", "sizes"), [(8, [4, 4]), (9, [3, 3, 3]), (10, [3, 3, 4]), (2, [0, 1, 1]), (1, [0, 1])]
)
def test_shares_are_the_whole_in_order(count: int, sizes: list[int]) -> None:
    cuts = [Share(rank=rank, ranks=len(sizes)).cut(5, 5 + count) for rank in range(len(sizes))]
    assert [cut.stop - cut.start for cut in cuts] == sizes
    assert [position for cut in cuts for position in range(cut.start, cut.stop)] == list(range(5, 5 + count))


def test_one_device_has_everything() -> None:
    assert WHOLE.cut(3, 7) == slice(3, 7)


@pytest.mark.parametrize(("rank", "ranks"), [(2, 2), (-1, 2), (0, 0)])
def test_a_share_that_is_none_is_refused(rank: int, ranks: int) -> None:
    with pytest.raises(ValueError, match=rf"0 <= rank < ranks must hold, but got rank={rank}, ranks={ranks}"):
        Share(rank=rank, ranks=ranks)


@pytest.mark.parametrize("drop_last", [True, False])
def test_shares_of_batches_have_the_same_images_with_the_same_changes(drop_last: bool) -> None:
    def batches(share: Share) -> list[tuple[torch.Tensor, torch.Tensor]]:
        augment = Augmentation(flip=True, crop=1, cutout=2, contrast=0.2)
        return [*digits().train.batches(100, order_seed=3, augment=augment, drop_last=drop_last, share=share)]

    parts = zip(*(batches(Share(rank=rank, ranks=3)) for rank in range(3)), strict=True)
    for (x_BCHW, y_B), part in zip(batches(WHOLE), parts, strict=True):
        assert torch.equal(torch.cat([x for x, _ in part]), x_BCHW)
        assert torch.equal(torch.cat([y for _, y in part]), y_B)
