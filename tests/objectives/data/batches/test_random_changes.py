"""Flips, crops and cutouts: by hand on tiny images, and against a loop on others."""

import numpy as np
import pytest
import torch
from torch import Tensor

from objectives.data.batches.augmentation import Augmentation
from objectives.data.batches.random_changes import Draws, crop, cut_out, draw, flip
from tests.objectives.data import made

SHAPES = [(7, 5, 3), (6, 6, 1)]
CPU = torch.device("cpu")


@pytest.fixture(params=[torch.uint8, torch.float32], ids=str)
def nine(request: pytest.FixtureRequest) -> Tensor:
    """One image, (1, 3, 3, 1):  1 2 3 / 4 5 6 / 7 8 9."""
    return torch.arange(1, 10).view(1, 3, 3, 1).to(request.param)


def rows(image_BHWC: Tensor) -> list[list[int]]:
    """The one gray image of a batch as it would be written down."""
    grid: list[list[int]] = image_BHWC[0, :, :, 0].long().tolist()
    return grid


def test_a_flip_by_hand(nine: Tensor) -> None:
    flipped = flip(nine, torch.tensor([True]))
    assert rows(flipped) == [[3, 2, 1], [6, 5, 4], [9, 8, 7]]
    assert flipped.dtype == nine.dtype
    assert rows(flip(nine, torch.tensor([False]))) == rows(nine)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ((1, 1), [[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
        ((0, 0), [[0, 0, 0], [0, 1, 2], [0, 4, 5]]),
        ((2, 1), [[4, 5, 6], [7, 8, 9], [0, 0, 0]]),
        ((1, 2), [[2, 3, 0], [5, 6, 0], [8, 9, 0]]),
    ],
)
def test_a_crop_by_hand(nine: Tensor, offset: tuple[int, int], expected: list[list[int]]) -> None:
    cropped = crop(nine, torch.tensor([offset]), 1)
    assert rows(cropped) == expected
    assert cropped.dtype == nine.dtype


@pytest.mark.parametrize(
    ("side", "centre", "expected"),
    [
        (1, (1, 1), [[1, 2, 3], [4, 0, 6], [7, 8, 9]]),
        (2, (1, 1), [[0, 0, 3], [0, 0, 6], [7, 8, 9]]),
        (2, (0, 0), [[0, 2, 3], [4, 5, 6], [7, 8, 9]]),
        (2, (2, 1), [[1, 2, 3], [0, 0, 6], [0, 0, 9]]),
        (3, (2, 2), [[1, 2, 3], [4, 0, 0], [7, 0, 0]]),
        (3, (0, 1), [[0, 0, 0], [0, 0, 0], [7, 8, 9]]),
    ],
)
def test_a_cutout_by_hand(nine: Tensor, side: int, centre: tuple[int, int], expected: list[list[int]]) -> None:
    wiped = cut_out(nine, torch.tensor([centre]), side)
    assert rows(wiped) == expected
    assert wiped.dtype == nine.dtype
    assert rows(nine) == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_flip_and_crop_are_what_a_loop_gives(shape: tuple[int, int, int]) -> None:
    x_BHWC = torch.from_numpy(made.part(1, 98, shape).images)
    height, width, _ = shape
    flips = torch.arange(98) % 2 == 0
    offsets = torch.tensor([divmod(k // 2, 7) for k in range(98)])
    flipped, cropped = flip(x_BHWC, flips), crop(x_BHWC, offsets, 3)
    for k, image in enumerate(x_BHWC.numpy()):
        padded = np.pad(image, ((3, 3), (3, 3), (0, 0)))
        top, left = offsets[k].tolist()
        np.testing.assert_array_equal(cropped[k], padded[top : top + height, left : left + width])
        np.testing.assert_array_equal(flipped[k], image[:, ::-1] if flips[k] else image)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_cutout_is_what_a_loop_gives(shape: tuple[int, int, int], side: int) -> None:
    height, width, _ = shape
    centres = [(row, column) for row in range(height) for column in range(width)]
    x_BHWC = torch.from_numpy(made.part(1, len(centres), shape).images)
    wiped = cut_out(x_BHWC, torch.tensor(centres), side)
    for k, (row, column) in enumerate(centres):
        expected = x_BHWC[k].numpy().copy()
        top, left = row - side // 2, column - side // 2
        expected[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = 0
        np.testing.assert_array_equal(wiped[k], expected)


def numbers(augment: Augmentation, seed: int = 0) -> Draws:
    return draw(augment, 4000, 5, 3, torch.Generator().manual_seed(seed), CPU)


def test_draws_are_even_and_within_their_ranges() -> None:
    drawn = numbers(Augmentation(flip=True, crop=2, cutout=2))
    assert abs(int(drawn.flip_N.sum()) - 2000) < 130
    windows = torch.bincount(drawn.offset_N2[:, 0] * 5 + drawn.offset_N2[:, 1])
    assert (len(windows), int(windows.sum())) == (25, 4000)
    assert windows.min() > 100
    centres = torch.bincount(drawn.centre_N2[:, 0] * 3 + drawn.centre_N2[:, 1])
    assert (len(centres), int(centres.sum())) == (15, 4000)
    assert centres.min() > 200


def test_the_three_draws_have_nothing_to_do_with_each_other() -> None:
    drawn = numbers(Augmentation(flip=True, crop=2, cutout=2))
    columns = [drawn.flip_N[:, None], drawn.offset_N2, drawn.centre_N2]
    correlations = torch.corrcoef(torch.cat(columns, dim=1).double().T) - torch.eye(5)
    assert correlations.abs().max() < 0.06


def test_what_is_drawn_for_one_change_does_not_depend_on_the_others() -> None:
    everything = numbers(Augmentation(flip=True, crop=2, cutout=2))
    assert torch.equal(numbers(Augmentation(flip=True)).flip_N, everything.flip_N)
    assert torch.equal(numbers(Augmentation(crop=2)).offset_N2, everything.offset_N2)
    assert torch.equal(numbers(Augmentation(cutout=1)).centre_N2, everything.centre_N2)


def test_draws_are_those_of_their_seed() -> None:
    augment = Augmentation(flip=True, crop=2, cutout=2)
    same, other = numbers(augment), numbers(augment, seed=1)
    for name in ("flip_N", "offset_N2", "centre_N2"):
        assert torch.equal(getattr(same, name), getattr(numbers(augment), name))
        assert not torch.equal(getattr(same, name), getattr(other, name))
