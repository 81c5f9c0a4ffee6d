"""Batches against slow references: every example once, normalized, flipped and cropped as a loop would."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from objectives.data.cache import prepare
from objectives.data.examples import CROP_PADDING, Examples, TrainValidation, crop, flip, load
from objectives.data.moments import moments
from objectives.data.prepared import Prepared
from objectives.data.split import Split, split
from tests.objectives.data import made

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
SHAPES = [(7, 5, 3), (6, 6, 1)]


@pytest.fixture(params=SHAPES, ids=str)
def prepared(request: pytest.FixtureRequest, data_dir: Path, cache_dir: Path) -> Prepared:
    """Forty examples of two classes, of one and of three channels."""
    made.write_folders(data_dir / "mine" / "train", made.part(2, 20, request.param), ["a", "b"])
    return prepare("mine", data_dir, cache_dir)


@pytest.fixture
def parts(prepared: Prepared) -> Split:
    """Thirty examples to train on, ten to validate."""
    return split(prepared.labels(), 0.25, 0)


@pytest.fixture(params=DEVICES)
def loaded(request: pytest.FixtureRequest, prepared: Prepared, parts: Split) -> TrainValidation:
    """The two parts on each device."""
    return load(prepared, parts, request.param)


def normalized(prepared: Prepared, chosen: NDArray[np.int64], trained: NDArray[np.int64]) -> NDArray[np.float64]:
    """The formula in float64: pixels from 0 to 1, less the mean, by the deviation of what is trained on."""
    pixels = prepared.images() / 255
    mean, std = pixels[trained].mean((0, 1, 2)), pixels[trained].std((0, 1, 2))
    normal: NDArray[np.float64] = ((pixels[chosen] - mean) / std).transpose(0, 3, 1, 2)
    return normal


def test_batches_are_normalized_by_the_training_part(
    loaded: TrainValidation, prepared: Prepared, parts: Split
) -> None:
    for examples, chosen in ((loaded.train, parts.train), (loaded.validation, parts.validation)):
        batches = list(examples.batches(8, order_seed=None))
        x_BCHW = torch.cat([x for x, _ in batches]).cpu()
        np.testing.assert_allclose(x_BCHW, normalized(prepared, chosen, parts.train), atol=2e-6)
        assert torch.cat([y for _, y in batches]).tolist() == prepared.labels()[chosen].tolist()


def test_batches_are_float32_channels_last_and_labels_int64(loaded: TrainValidation) -> None:
    x_BCHW, y_B = next(loaded.train.batches(4, order_seed=1, augment=("flip", "crop")))
    assert (x_BCHW.dtype, y_B.dtype) == (torch.float32, torch.int64)
    assert x_BCHW.shape == (4, *loaded.image_shape)
    assert x_BCHW.is_contiguous(memory_format=torch.channels_last)
    assert x_BCHW.device == y_B.device == loaded.train.device
    assert loaded.train.device.type == loaded.device.type


def numbered(count: int) -> Examples:
    """Examples whose only pixel is their number, not changed by normalization."""
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1)
    return Examples(images_NHWC=images, labels_N=torch.arange(count), mean=(0.0,), std=(1 / 255,))


@given(
    count=st.integers(1, 50), size=st.integers(1, 60), seed=st.none() | st.integers(0, 2**63), drop=st.booleans()
)
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
        batches = loaded.train.batches(8, order_seed=seed, augment=("crop", "flip"))
        return list(itertools.chain.from_iterable(batches))

    assert all(torch.equal(a, b) for a, b in zip(epoch(3), epoch(3), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(epoch(3), epoch(4), strict=True))


def test_augmentation_does_not_change_the_order(loaded: TrainValidation) -> None:
    plain = [y.tolist() for _, y in loaded.train.batches(8, order_seed=5)]
    assert [y.tolist() for _, y in loaded.train.batches(8, order_seed=5, augment=("flip", "crop"))] == plain


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_flip_and_crop_are_what_a_loop_gives(shape: tuple[int, int, int]) -> None:
    x_BHWC = torch.from_numpy(made.part(1, 162, shape).images)
    height, width, _ = shape
    flips = torch.arange(162) % 2 == 0
    offsets = torch.tensor([divmod(k // 2, 9) for k in range(162)])
    flipped, cropped = flip(x_BHWC, flips), crop(x_BHWC, offsets)
    for k, image in enumerate(x_BHWC.numpy()):
        padded = np.pad(image, ((CROP_PADDING, CROP_PADDING), (CROP_PADDING, CROP_PADDING), (0, 0)))
        top, left = offsets[k].tolist()
        np.testing.assert_array_equal(cropped[k], padded[top : top + height, left : left + width])
        np.testing.assert_array_equal(flipped[k], image[:, ::-1] if flips[k] else image)


def test_half_are_flipped_and_crops_reach_every_offset() -> None:
    """One bright pixel in the middle tells where its window was, and an odd one out whether it was mirrored."""
    count = 4000
    images = torch.zeros((count, 9, 9, 1), dtype=torch.uint8)
    images[:, 4, 4], images[:, 4, 3] = 255, 100
    examples = Examples(images_NHWC=images, labels_N=torch.zeros(count).long(), mean=(0.0,), std=(1.0,))
    (x_BCHW, _), *_ = examples.batches(count, order_seed=0, augment=("crop",))
    _, _, rows, columns = (x_BCHW == 1).nonzero(as_tuple=True)
    places = torch.bincount(rows * 9 + columns, minlength=81)
    assert int(places.sum()) == count
    assert places.min() > 20
    (x_BCHW, _), *_ = examples.batches(count, order_seed=0, augment=("flip",))
    assert abs(int((x_BCHW[:, 0, 4, 5] > 0).sum()) - count / 2) < 130


def test_the_shared_images_are_never_written_to(loaded: TrainValidation, prepared: Prepared) -> None:
    before = prepared.images().copy()
    first = [x.clone() for x, _ in loaded.train.batches(8, order_seed=1, augment=("flip", "crop"))]
    for x, _ in loaded.train.batches(8, order_seed=None):
        x.zero_()
    again = [x for x, _ in loaded.train.batches(8, order_seed=1, augment=("flip", "crop"))]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    np.testing.assert_array_equal(prepared.images(), before)


def test_on_the_cpu_the_mapped_file_is_shared(prepared: Prepared, parts: Split) -> None:
    data = load(prepared, parts, "cpu")
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("this system does not list a process's maps")
    lines = [line for line in maps.read_text().splitlines() if str(prepared.folder / "images.npy") in line]
    assert lines
    assert len(data.train) + len(data.validation) == prepared.examples


def test_merging_trains_on_both_parts_and_leaves_validation(prepared: Prepared, parts: Split) -> None:
    merged = load(prepared, parts, "cpu", merge_validation=True)
    everything = np.arange(40)
    assert merged.train.indices.tolist() == everything.tolist()
    assert merged.validation.indices.tolist() == parts.validation.tolist()
    x_BCHW, _ = next(merged.train.batches(40, order_seed=None))
    np.testing.assert_allclose(x_BCHW, normalized(prepared, everything, everything), atol=2e-6)
    x_BCHW, _ = next(merged.validation.batches(40, order_seed=None))
    np.testing.assert_allclose(x_BCHW, normalized(prepared, parts.validation, everything), atol=2e-6)
    assert merged.train.mean == merged.validation.mean != load(prepared, parts, "cpu").train.mean


def test_a_split_of_some_examples_shows_only_those(prepared: Prepared) -> None:
    some = split(prepared.labels(), 0.5, 0, np.arange(15, 25))
    data = load(prepared, some, "cpu")
    assert (len(data.train), len(data.validation)) == (5, 5)
    assert set(data.train.indices.tolist()) | set(data.validation.indices.tolist()) == set(range(15, 25))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size >= 1 must hold, but got batch_size=0"),
        ({"batch_size": 4, "augment": ("flop",), "order_seed": 1}, r"but got \['flop'\]"),
        ({"batch_size": 4, "augment": ("flip",)}, "needs order_seed"),
    ],
)
def test_wrong_options_are_refused_at_once(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        numbered(4).batches(**{"order_seed": None, **options})  # type: ignore[arg-type]


def test_wrong_images_are_refused() -> None:
    labels = torch.arange(2)
    with pytest.raises(ValueError, match="must be uint8 N,H,W,C"):
        Examples(images_NHWC=torch.zeros(2, 4, 4, 1), labels_N=labels, mean=(0.0,), std=(1.0,))
    images = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    with pytest.raises(ValueError, match="must have 3 numbers each"):
        Examples(images_NHWC=images, labels_N=labels, mean=(0.0,), std=(1.0,))


@given(seed=st.integers(0, 99), count=st.integers(1, 3000), channels=st.sampled_from([1, 3]))
def test_moments_are_those_of_float64(seed: int, count: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (40, 3, 2, channels), dtype=np.uint8)
    indices = rng.integers(0, 40, count)
    mean, std = moments(images, indices)
    pixels = images[indices] / 255
    np.testing.assert_allclose(mean, pixels.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std((0, 1, 2)), rtol=1e-10)
    assert moments(images, rng.permutation(indices)) == (mean, std)


def test_a_constant_channel_is_not_divided_by_zero() -> None:
    images = np.full((3, 2, 2, 1), 51, dtype=np.uint8)
    assert moments(images, np.arange(3)) == ((0.2,), (1.0,))
