"""The held-out part, read as the training part was."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from objectives.data.catalogue import DATASETS
from objectives.data.files.decoded import compute_fingerprint
from objectives.data.files.errors import ImpossibleClasses, MissingData, UnreadableData
from objectives.data.heldout import open_heldout
from tests.objectives.data import made

CLASSES = ["a", "b", "c"]


@pytest.fixture
def mine(data_dir: Path) -> Path:
    """A data set of the user's own without a held-out part; gives the data folder."""
    made.write_folders(data_dir / "mine" / "train", made.part(3, 2, (6, 4, 3)), CLASSES)
    return data_dir


def test_labels_are_numbered_as_in_training_though_a_class_is_missing(mine: Path, cache_dir: Path) -> None:
    held_out = made.part(2, 2, (6, 4, 3), seed=5)
    made.write_folders(mine / "mine" / "test", held_out, ["a", "c"])
    result = open_heldout("mine", mine, cache_dir)
    assert result.labels.tolist() == [0, 0, 2, 2]
    np.testing.assert_array_equal(result.images, held_out.images)


def test_a_class_that_training_has_not_is_refused(mine: Path, cache_dir: Path) -> None:
    made.write_folders(mine / "mine" / "test", made.part(2, 2, (6, 4, 3)), ["a", "d"])
    with pytest.raises(UnreadableData, match=r"mine/test/d is not a class of this data set; its classes are a, b, c"):
        open_heldout("mine", mine, cache_dir)


def test_gray_held_out_images_of_a_colour_set_become_colour(mine: Path, cache_dir: Path) -> None:
    made.write_folders(mine / "mine" / "test", made.part(3, 1, (6, 4, 1)), CLASSES)
    assert open_heldout("mine", mine, cache_dir).images.shape == (3, 6, 4, 3)


def test_images_of_another_size_are_refused_or_resized(mine: Path, cache_dir: Path) -> None:
    made.write_folders(mine / "mine" / "test", made.part(3, 1, (8, 8, 3)), CLASSES)
    with pytest.raises(UnreadableData, match=r"\(3, 8, 8\) .* but its training images have \(3, 6, 4\)"):
        open_heldout("mine", mine, cache_dir)
    assert open_heldout("mine", mine, cache_dir, image_size=4).images.shape == (3, 4, 4, 3)


def test_a_missing_held_out_part_is_one_sentence(mine: Path, cache_dir: Path) -> None:
    with pytest.raises(MissingData) as error:
        open_heldout("mine", mine, cache_dir)
    assert f"{mine}/mine/test/<class>/*.png" in str(error.value)


def test_class_folders_are_not_tested_on_the_batches_of_a_download(data_dir: Path, cache_dir: Path) -> None:
    dataset = DATASETS["cifar10"]
    made.write_both(dataset, data_dir)
    made.write_folders(data_dir / "cifar10" / "train", made.part(10, 2, (32, 32, 3)), list(dataset.classes or ()))
    with pytest.raises(MissingData, match="cifar10/test/<class>"):
        open_heldout("cifar10", data_dir, cache_dir)


def test_nothing_of_it_is_left_on_disk(mine: Path, cache_dir: Path) -> None:
    held_out = made.part(3, 2, (6, 4, 3), seed=6)
    made.write_folders(mine / "mine" / "test", held_out, CLASSES)
    open_heldout("mine", mine, cache_dir)
    kept = b"".join(path.read_bytes() for path in cache_dir.rglob("*") if path.is_file())
    assert held_out.images[0].tobytes() not in kept


def test_chosen_classes_are_renumbered_in_the_order_given(mine: Path, cache_dir: Path) -> None:
    held_out = made.part(3, 2, (6, 4, 3), seed=7)
    made.write_folders(mine / "mine" / "test", held_out, CLASSES)
    result = open_heldout("mine", mine, cache_dir, classes=("c", "a"))
    assert result.labels.tolist() == [1, 1, 0, 0]
    np.testing.assert_array_equal(result.images, held_out.images[[0, 1, 4, 5]])
    assert result.name == "mine"
    pixels = hashlib.sha256(result.images.tobytes()).hexdigest()
    assert result.fingerprint == compute_fingerprint(pixels, result.labels, ("c", "a"), (4, 6, 4, 3))


def test_the_fingerprint_is_of_what_is_scored(mine: Path, cache_dir: Path) -> None:
    made.write_folders(mine / "mine" / "test", made.part(3, 2, (6, 4, 3), seed=8), CLASSES)

    def scored(*classes: str) -> str:
        return open_heldout("mine", mine, cache_dir, classes=classes or None).fingerprint

    others = {scored(), scored("a", "b"), scored("b", "a"), scored("b", "c")}
    assert len(others) == 4
    assert scored("a", "b", "c") == scored()
    made.write_folders(mine / "mine" / "test", made.part(3, 2, (6, 4, 3), seed=9), CLASSES)
    assert scored("a", "b") not in others


def test_classes_that_are_not_there_are_refused(mine: Path, cache_dir: Path) -> None:
    with pytest.raises(ImpossibleClasses, match="mine has no class 'd'"):
        open_heldout("mine", mine, cache_dir, classes=("a", "d"))
    made.write_folders(mine / "mine" / "test", made.part(1, 2, (6, 4, 3)), CLASSES)
    with pytest.raises(UnreadableData, match="the held-out part of mine has no example of b, c"):
        open_heldout("mine", mine, cache_dir, classes=("b", "c"))
