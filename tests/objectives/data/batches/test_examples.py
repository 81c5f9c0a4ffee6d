"""Batches against slow references: every example once, normalized, in the order and with the changes of a seed."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from objectives.data.batches.augmentation import Augmentation
from objectives.data.batches.examples import Examples, TrainValidation, load
from objectives.data.files.prepared import Prepared
from objectives.data.splits.split import Split
from tests.objectives.data.made import EVERYTHING, normalized


def test_batches_are_normalized_by_the_training_part(loaded: TrainValidation, prepared: Prepared, parts: Split) -> None:
    for examples, chosen in ((loaded.train, parts.train), (loaded.validation, parts.validation)):
        batches = list(examples.batches(8, order_seed=None))
        x_BCHW = torch.cat([x for x, _ in batches]).cpu()
        np.testing.assert_allclose(x_BCHW, normalized(prepared, chosen, parts.train), atol=2e-6)
        assert torch.cat([y for _, y in batches]).tolist() == prepared.labels()[chosen].tolist()


def test_batches_are_float32_channels_last_and_labels_int64(loaded: TrainValidation) -> None:
    x_BCHW, y_B = next(loaded.train.batches(4, order_seed=1, augment=EVERYTHING))
    assert (x_BCHW.dtype, y_B.dtype) == (torch.float32, torch.int64)
    assert x_BCHW.shape == (4, *loaded.image_shape)
    assert x_BCHW.is_contiguous(memory_format=torch.channels_last)
    assert x_BCHW.device == y_B.device == loaded.train.device
    assert loaded.train.device.type == loaded.device.type


def numbered(count: int) -> Examples:
    """Examples whose only pixel is their number, not changed by normalization."""
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1)
    return Examples(images_NHWC=images, labels_N=torch.arange(count), mean=(0.0,), std=(1 / 255,))


@given(count=st.integers(1, 50), size=st.integers(1, 60), seed=st.none() | st.integers(0, 2**63), drop=st.booleans())
def test_an_epoch_has_every_example_once(count: int, size: int, seed: int | None, drop: bool) -> None:
    examples = numbered(count)
    batches = list(examples.batches(size, order_seed=seed, drop_last=drop))
    assert len(batches) == examples.steps(size, drop_last=drop)
    seen = torch.cat([y for _, y in batches]).tolist()
    assert torch.cat([x for x, _ in batches]).flatten().round().long().tolist() == seen
    assert len(set(seen)) == len(seen)
    assert len(seen) == (count - count % size if drop and count >= size else count)
    assert all(len(y) == size for _, y in batches[:-1])
    if seed is None:
        assert seen == sorted(seen)


def test_the_order_is_that_of_its_seed(loaded: TrainValidation) -> None:
    def epoch(seed: int) -> list[torch.Tensor]:
        batches = loaded.train.batches(8, order_seed=seed, augment=EVERYTHING)
        return list(itertools.chain.from_iterable(batches))

    assert all(torch.equal(a, b) for a, b in zip(epoch(3), epoch(3), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(epoch(3), epoch(4), strict=True))


@pytest.mark.parametrize(
    "augment", [Augmentation(flip=True), Augmentation(crop=2), Augmentation(cutout=2), EVERYTHING], ids=str
)
def test_augmentation_does_not_change_the_order(loaded: TrainValidation, augment: Augmentation) -> None:
    plain = list(loaded.train.batches(8, order_seed=5))
    changed = list(loaded.train.batches(8, order_seed=5, augment=augment))
    assert [y.tolist() for _, y in changed] == [y.tolist() for _, y in plain]
    assert not all(torch.equal(a, b) for (a, _), (b, _) in zip(changed, plain, strict=True))


def test_an_epoch_is_the_same_in_batches_of_any_size(loaded: TrainValidation) -> None:
    (whole,) = loaded.train.images(40, order_seed=5, augment=EVERYTHING)
    assert torch.equal(torch.cat(list(loaded.train.images(7, order_seed=5, augment=EVERYTHING))), whole)


def test_batches_are_cropped_flipped_normalized_and_then_cut(prepared: Prepared, parts: Split) -> None:
    """Every image is one that a loop finds among all crops, mirrorings and squares of its original."""
    data = load(prepared, parts, "cpu")
    augment = Augmentation(flip=True, crop=1, cutout=2)
    order = torch.cat(list(data.train.images(8, order_seed=9)))
    mean, std = np.array(data.train.mean), np.array(data.train.std)
    x_BCHW = torch.cat([x for x, _ in data.train.batches(8, order_seed=9, augment=augment)]).numpy()
    _, height, width = data.image_shape
    for k, image_CHW in enumerate(order.numpy()):
        raw = image_CHW.transpose(1, 2, 0) * std + mean
        padded = (np.pad(raw, ((1, 1), (1, 1), (0, 0))) - mean) / std
        crops = [padded[r : r + height, c : c + width] for r in range(3) for c in range(3)]
        moved = np.stack([*crops, *(each[:, ::-1] for each in crops)]).transpose(0, 3, 1, 2)
        wiped = (x_BCHW[k] == 0).all(0)
        assert 1 <= wiped.sum() <= 4
        assert (np.abs(moved - x_BCHW[k])[:, :, ~wiped].max((1, 2)) < 1e-5).any()


def test_a_cutout_takes_the_mean_of_what_is_trained_on(prepared: Prepared, parts: Split) -> None:
    """As in the paper: 0 after normalization, not black."""
    train = load(prepared, parts, "cpu").train
    ((plain, _),) = train.batches(40, order_seed=2)
    ((wiped, _),) = train.batches(40, order_seed=2, augment=Augmentation(cutout=3))
    changed = (plain != wiped).any(1)
    assert (wiped.permute(0, 2, 3, 1)[changed] == 0).all()
    assert all(1 <= count <= 9 for count in changed.sum((1, 2)).tolist())
    assert 9 in changed.sum((1, 2)).tolist()


def test_half_are_flipped_and_crops_reach_every_offset() -> None:
    """One bright pixel in the middle tells where its window was, and an odd one out whether it was mirrored."""
    count = 4000
    images = torch.zeros((count, 9, 9, 1), dtype=torch.uint8)
    images[:, 4, 4], images[:, 4, 3] = 255, 100
    examples = Examples(images_NHWC=images, labels_N=torch.zeros(count).long(), mean=(0.0,), std=(1.0,))
    (x_BCHW, _), *_ = examples.batches(count, order_seed=0, augment=Augmentation(crop=4))
    _, _, rows, columns = (x_BCHW == 1).nonzero(as_tuple=True)
    places = torch.bincount(rows * 9 + columns, minlength=81)
    assert int(places.sum()) == count
    assert places.min() > 20
    (x_BCHW, _), *_ = examples.batches(count, order_seed=0, augment=Augmentation(flip=True))
    assert abs(int((x_BCHW[:, 0, 4, 5] > 0).sum()) - count / 2) < 130


def test_the_shared_images_are_never_written_to(loaded: TrainValidation, prepared: Prepared) -> None:
    before = prepared.images().copy()
    first = [x.clone() for x, _ in loaded.train.batches(8, order_seed=1, augment=EVERYTHING)]
    for x, _ in loaded.train.batches(8, order_seed=None):
        x.zero_()
    again = [x for x, _ in loaded.train.batches(8, order_seed=1, augment=EVERYTHING)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    np.testing.assert_array_equal(prepared.images(), before)


def test_images_come_in_the_order_and_with_the_changes_of_their_seed(loaded: TrainValidation) -> None:
    images = list(loaded.train.images(8, order_seed=6, augment=EVERYTHING, drop_last=True))
    batches = list(loaded.train.batches(8, order_seed=6, augment=EVERYTHING, drop_last=True))
    assert all(torch.equal(x, same) for x, (same, _) in zip(images, batches, strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, but got batch_size=0"),
        ({"batch_size": 4, "augment": Augmentation(flip=True)}, r"Augmentation\(flip=True.* needs order_seed"),
        ({"batch_size": 4, "augment": Augmentation(crop=1), "order_seed": 1}, "crop=1 for images of 1 x 1 pixels"),
        ({"batch_size": 4, "augment": Augmentation(cutout=2), "order_seed": 1}, "cutout=2 for images of 1 x 1 pixels"),
    ],
)
def test_wrong_options_are_refused_at_once(options: dict[str, object], message: str) -> None:
    for method in (numbered(4).batches, numbered(4).images):
        with pytest.raises(ValueError, match=message):
            method(**{"order_seed": None, **options})  # type: ignore[operator]


def test_wrong_images_are_refused() -> None:
    labels = torch.arange(2)
    with pytest.raises(ValueError, match="must be uint8 N,H,W,C"):
        Examples(images_NHWC=torch.zeros(2, 4, 4, 1), labels_N=labels, mean=(0.0,), std=(1.0,))
    images = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    with pytest.raises(ValueError, match="need 3 numbers each"):
        Examples(images_NHWC=images, labels_N=labels, mean=(0.0,), std=(1.0,))
