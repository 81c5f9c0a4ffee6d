"""Flips, crops and cutouts: by hand on tiny images, and against a loop on others."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as reference

from objectives.data.batches.augmentation import Augmentation
from objectives.data.batches.images import Images
from objectives.data.batches.random_changes import (
    Draws,
    alternate,
    brighten,
    change_contrast,
    crop,
    cut_out,
    draw,
    flip,
)
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


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("padding", [1, 3, 4])
def test_a_mirrored_border_is_numpys(shape: tuple[int, int, int], padding: int) -> None:
    x_BHWC = torch.from_numpy(made.part(1, 9, shape).images)
    height, width, _ = shape
    offsets = torch.tensor([(k % (2 * padding + 1), (2 * k) % (2 * padding + 1)) for k in range(9)])
    cropped = crop(x_BHWC, offsets, padding, "reflect")
    assert cropped.dtype == torch.uint8
    for k, image in enumerate(x_BHWC.numpy()):
        padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)), mode="reflect")
        top, left = offsets[k].tolist()
        np.testing.assert_array_equal(cropped[k], padded[top : top + height, left : left + width])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_brightness_and_contrast_are_torchvisions(shape: tuple[int, int, int]) -> None:
    x_BHWC = torch.from_numpy(made.part(1, 20, shape).images)
    factors = torch.linspace(0.5, 1.5, 20)
    bright, contrasted = brighten(x_BHWC, factors), change_contrast(x_BHWC, factors)
    for k, image_HWC in enumerate(x_BHWC):
        image_CHW = image_HWC.permute(2, 0, 1) / 255
        for found, expected in (
            (bright, reference.adjust_brightness(image_CHW, float(factors[k]))),
            (contrasted, reference.adjust_contrast(image_CHW, float(factors[k]))),
        ):
            torch.testing.assert_close(found[k] / 255, expected.permute(1, 2, 0), atol=1e-5, rtol=0)


def test_colours_are_changed_before_they_are_normalized() -> None:
    part = made.part(1, 6, (5, 5, 3))
    images = Images(images_NHWC=torch.from_numpy(part.images), mean=(0.2, 0.3, 0.4), std=(0.1, 0.2, 0.3))
    augment = Augmentation(brightness=0.5, contrast=0.5)
    (x_BCHW,) = images.images(6, order_seed=3, augment=augment)
    order, draws = images.draw_epoch(3, augment)
    assert draws is not None
    for k, row in enumerate(order):
        changed = torch.from_numpy(part.images[row]).permute(2, 0, 1) / 255
        changed = reference.adjust_brightness(changed, float(draws.factor_N2[k, 0]))
        changed = reference.adjust_contrast(changed, float(draws.factor_N2[k, 1]))
        expected = reference.normalize(changed, images.mean, images.std)
        torch.testing.assert_close(x_BCHW[k], expected, atol=1e-4, rtol=0)


def test_every_image_is_mirrored_in_every_second_epoch() -> None:
    rows = torch.randperm(4000)
    epochs = [alternate(rows, epoch) for epoch in range(4)]
    assert torch.equal(epochs[0], ~epochs[1])
    assert torch.equal(epochs[0], epochs[2])
    assert torch.equal(epochs[1], epochs[3])
    assert abs(int(epochs[0].sum()) - 2000) < 130
    in_order = alternate(torch.arange(4000), 0)
    assert torch.equal(in_order[rows], epochs[0])  # an image's number decides, not its place in the epoch
    neighbours = torch.corrcoef(torch.stack([in_order[:-1], in_order[1:]]).double())[0, 1]
    assert abs(neighbours) < 0.06


def test_the_hash_is_splitmix64s() -> None:
    # The first numbers of the reference generator with the seed 1234567 (Vigna, splitmix64.c).
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    step = 0x9E3779B97F4A7C15
    seeds = [(1234567 + k * step) % 2**64 for k in range(4)]
    rows = torch.tensor([seed - 2**64 if seed >= 2**63 else seed for seed in seeds])
    assert alternate(rows, 0).tolist() == [number >= 2**63 for number in published]


def test_the_images_of_two_epochs_are_mirrors_of_each_other() -> None:
    part = made.part(1, 40, (5, 4, 1))
    images = Images(images_NHWC=torch.from_numpy(part.images), mean=(0.0,), std=(1 / 255,))
    augment = Augmentation(alternating_flip=True)
    shown = []
    for epoch in (0, 1):
        (x_BCHW,) = images.images(40, order_seed=epoch, augment=augment, epoch=epoch)
        order, _ = images.draw_epoch(epoch)
        shown.append(x_BCHW[order.argsort()].round())
    assert torch.equal(shown[0].flip(3), shown[1])


def numbers(augment: Augmentation, seed: int = 0) -> Draws:
    return draw(augment, torch.arange(4000), 0, 5, 3, torch.Generator().manual_seed(seed), CPU)


def test_factors_are_even_within_their_range_and_leave_the_other_draws_as_they_were() -> None:
    drawn = numbers(Augmentation(flip=True, crop=2, cutout=2, brightness=0.25, contrast=0.5))
    for column, most in ((0, 0.25), (1, 0.5)):
        factors = drawn.factor_N2[:, column]
        assert (factors.min() > 1 - most, factors.max() < 1 + most) == (True, True)
        assert torch.histc(factors, 10, 1 - most, 1 + most).min() > 330
    assert torch.corrcoef(drawn.factor_N2.T)[0, 1].abs() < 0.06
    # As they were drawn before there were factors: studies of that time resume to the same numbers.
    uniform = torch.rand((4000, 5), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(drawn.flip_N, uniform[:, 0] < 0.5)
    assert torch.equal(drawn.centre_N2[:, 1], (uniform[:, 4] * 3).long())


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
