"""A folder `val/` beside `train/`, and images in `<class>/<group>/*`."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from objectives.data.cache import prepare
from objectives.data.files.errors import MissingData, UnreadableData
from objectives.data.heldout import check_heldout, open_heldout
from objectives.data.notes import describe_oddities
from objectives.data.splits.divide import split_data
from tests.objectives.data import made

CLASSES = ["a", "b", "c"]
SHAPE = (7, 5, 3)


@pytest.fixture
def with_val(mine: Path) -> Path:
    """The data set `mine` with two validation images of each class."""
    made.write_folders(mine / "mine" / "val", made.part(3, 2, SHAPE, seed=5), CLASSES)
    return mine


def write_groups(folder: Path, groups: dict[str, str], seed: int = 0) -> None:
    """Two images in each group of each class; `groups` has the letters of each class's groups."""
    for label, letters in groups.items():
        for k, letter in enumerate(letters):
            content = made.part(1, 2, SHAPE, seed=seed + 31 * k + ord(label))
            made.write_folders(folder / label, content, [letter])


def test_the_images_of_val_are_the_validation_set_and_no_others(
    with_val: Path, cache_dir: Path, mine_content: made.Part
) -> None:
    prepared = prepare("mine", with_val, cache_dir)
    parts = split_data(prepared, None, 0, None)
    assert (len(parts.train), len(parts.validation)) == (12, 6)
    np.testing.assert_array_equal(prepared.images()[parts.train], mine_content.images)
    np.testing.assert_array_equal(prepared.images()[parts.validation], made.part(3, 2, SHAPE, seed=5).images)
    assert prepared.labels()[parts.validation].tolist() == [0, 0, 1, 1, 2, 2]
    pair = split_data(prepared, None, 0, None, ("c", "a"))
    assert set(prepared.labels()[pair.train]) == set(prepared.labels()[pair.validation]) == {0, 2}
    few = split_data(prepared, None, 0, 3)
    assert (len(few.train), few.validation.tolist()) == (3, parts.validation.tolist())


def test_val_is_fingerprinted_and_left_out_on_request(with_val: Path, cache_dir: Path) -> None:
    before = prepare("mine", with_val, cache_dir)
    alone = prepare("mine", with_val, cache_dir, validation_folder=False)
    assert (alone.examples, alone.validation_examples) == (12, 0)
    image = next((with_val / "mine" / "val" / "a").iterdir())
    made.write_folders(image.parents[1], made.part(1, 1, SHAPE, seed=8), ["a"])
    changed = prepare("mine", with_val, cache_dir)
    assert len({before.fingerprint, alone.fingerprint, changed.fingerprint}) == 3
    assert changed.compute_fingerprint() == changed.fingerprint
    shutil.rmtree(with_val / "mine" / "val")
    assert prepare("mine", with_val, cache_dir).fingerprint == alone.fingerprint
    with pytest.raises(MissingData, match="val, whose images the study is validated on, is not there; restore it"):
        prepare("mine", with_val, cache_dir, validation_folder=True)


def test_a_copy_of_a_training_image_in_val_is_noted(with_val: Path, cache_dir: Path) -> None:
    def notes() -> list[str]:
        return list(describe_oddities(prepare("mine", with_val, cache_dir), with_val, cache_dir))

    assert notes() == []
    shutil.copy(with_val / "mine" / "train" / "a" / "00000.png", with_val / "mine" / "val" / "a" / "copy.png")
    (note,) = notes()
    assert note.startswith("1 of the 7 images of val/ of mine are in train/, too, pixel by pixel; ")


def add_class(val: Path) -> None:
    shutil.copytree(val / "a", val / "d")


def remove_class(val: Path) -> None:
    shutil.rmtree(val / "b")


def resize(val: Path) -> None:
    shutil.rmtree(val)
    made.write_folders(val, made.part(3, 2, (5, 5, 3)), CLASSES)


def link_to_test(val: Path) -> None:
    shutil.rmtree(val)
    val.symlink_to(val.with_name("test"))


def link_class_to_test(val: Path) -> None:
    remove_class(val)
    (val / "b").symlink_to(val.with_name("test") / "b")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (add_class, "/val/d is not a class of this data set; its classes are a, b, c"),
        (remove_class, "/val has no images of b, but validation needs some of every class of train/; add them, or"),
        (resize, "/val have 5x5 pixels, but those of train/ have 5x7; set image_size to resize them all"),
        (link_to_test, "/val leads to the test part .*/mine/test, whose images must not choose anything"),
        (link_class_to_test, "/val/b leads to the test part .*/mine/test, whose images must not choose anything"),
    ],
)
def test_a_val_that_does_not_fit_is_refused(with_val: Path, cache_dir: Path, spoil: object, sentence: str) -> None:
    made.write_folders(with_val / "mine" / "test", made.part(3, 1, SHAPE, seed=3), CLASSES)
    assert callable(spoil)
    spoil(with_val / "mine" / "val")
    with pytest.raises(UnreadableData, match=sentence):
        prepare("mine", with_val, cache_dir)


def test_images_in_groups_are_read_and_stay_together(data_dir: Path, cache_dir: Path) -> None:
    write_groups(data_dir / "mine" / "train", {"a": "pqrst", "b": "pquvw"})
    write_groups(data_dir / "mine" / "test", {"a": "x", "b": "y"}, seed=1000)
    prepared = prepare("mine", data_dir, cache_dir, grouped=True)
    groups = prepared.groups()
    assert groups is not None
    names = "pqrstpquvw"
    assert [sorted(set(names)).index(name) for name in names for _ in range(2)] == groups.tolist()
    parts = split_data(prepared, 0.2, 0, None)
    assert not set(groups[parts.train]) & set(groups[parts.validation])
    assert len(parts.validation) == 4
    assert prepare("mine", data_dir, cache_dir, grouped=True) == prepared
    assert prepared.compute_fingerprint() == prepared.fingerprint
    check_heldout("mine", data_dir, cache_dir, trained=prepared)
    assert len(open_heldout("mine", data_dir, cache_dir, trained=prepared).labels) == 4


def test_a_group_is_not_in_train_and_in_val(data_dir: Path, cache_dir: Path) -> None:
    write_groups(data_dir / "mine" / "train", {"a": "pq", "b": "pq"})
    write_groups(data_dir / "mine" / "val", {"a": "z", "b": "q"}, seed=1000)
    with pytest.raises(
        UnreadableData, match=r"group 'q' has images in train/ and in .*/val, but the images of a group"
    ):
        prepare("mine", data_dir, cache_dir, grouped=True)


def test_images_in_no_group_and_data_without_folders_are_refused(mine: Path, cache_dir: Path) -> None:
    with pytest.raises(UnreadableData, match=r"but 4 images directly in .*/train/a \(00000.png, ...\) are in no group"):
        prepare("mine", mine, cache_dir, grouped=True)
    with pytest.raises(UnreadableData, match=r"--group-by folder needs class folders, .* is read from .*digits"):
        prepare("digits", mine, cache_dir, grouped=True)
