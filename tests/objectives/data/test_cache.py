"""A data set is decoded once, by however many processes, and after whatever happened to the last attempt."""

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from objectives.data.cache import prepare
from objectives.data.files.errors import MissingData, UnreadableData
from tests.objectives.data import made


def test_the_second_time_nothing_is_decoded(mine: Path, cache_dir: Path, mine_content: made.Part) -> None:
    first, second = made.Count(), made.Count()
    prepared = prepare("mine", mine, cache_dir, progress=first)
    assert first.calls == [(12, 12)]
    assert prepare("mine", mine, cache_dir, progress=second) == prepared
    assert second.calls == []
    np.testing.assert_array_equal(prepared.images(), mine_content.images)
    np.testing.assert_array_equal(prepared.labels(), mine_content.labels)
    assert prepared.image_shape == (3, 7, 5)


def test_what_is_decoded_is_found_without_writing_or_waiting(mine: Path, cache_dir: Path) -> None:
    prepared = prepare("mine", mine, cache_dir)
    for lock in (cache_dir / "data").glob(".*.lock"):
        lock.unlink()
    assert prepare("mine", mine, cache_dir) == prepared
    assert [path.name for path in (cache_dir / "data").iterdir()] == [prepared.folder.name]


def test_images_are_mapped_and_cannot_be_changed_for_others(
    mine: Path, cache_dir: Path, mine_content: made.Part
) -> None:
    prepared = prepare("mine", mine, cache_dir)
    images = prepared.images()
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0
    prepared.images(writable=True)[:] = 0
    np.testing.assert_array_equal(prepared.images(), mine_content.images)


def change_pixels(train: Path) -> None:
    made.write_folders(train, made.part(3, 4, (7, 5, 3), seed=9), ["a", "b", "c"])


def rename_class(train: Path) -> None:
    (train / "a").rename(train / "aa")


def add_image(train: Path) -> None:
    shutil.copy(next((train / "a").iterdir()), train / "a" / "zzz.png")


@pytest.mark.parametrize("change", [change_pixels, rename_class, add_image])
def test_a_changed_source_is_decoded_again(
    change: Callable[[Path], None], mine: Path, cache_dir: Path, mine_content: made.Part
) -> None:
    before = prepare("mine", mine, cache_dir)
    change(mine / "mine" / "train")
    after = prepare("mine", mine, cache_dir)
    assert after.fingerprint != before.fingerprint
    assert after.folder != before.folder
    np.testing.assert_array_equal(before.images(), mine_content.images)


def test_dates_and_places_do_not_change_the_fingerprint(mine: Path, cache_dir: Path, tmp_path: Path) -> None:
    before = prepare("mine", mine, cache_dir)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(mine, elsewhere)
    for path in elsewhere.rglob("*.png"):
        os.utime(path, (1, 1))
    after = prepare("mine", elsewhere, tmp_path / "other cache")
    assert after.fingerprint == before.fingerprint


def test_the_image_size_has_a_copy_of_its_own(mine: Path, cache_dir: Path) -> None:
    whole, small = prepare("mine", mine, cache_dir), prepare("mine", mine, cache_dir, image_size=4)
    assert (whole.image_shape, small.image_shape) == ((3, 7, 5), (3, 4, 4))
    assert prepare("mine", mine, cache_dir) == whole


def blacken(folder: Path) -> None:
    images = np.load(folder / "images.npy", mmap_mode="r+")
    images[:] = 0
    images.flush()


def shift_labels(folder: Path) -> None:
    np.save(folder / "labels.npy", np.roll(np.load(folder / "labels.npy"), 1))


def swap_classes(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"classes": ["b", "a", "c"]}))


@pytest.mark.parametrize("change", [blacken, shift_labels, swap_classes])
def test_a_copy_with_another_content_is_decoded_again_with_one_note(
    change: Callable[[Path], None],
    mine: Path,
    cache_dir: Path,
    mine_content: made.Part,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = prepare("mine", mine, cache_dir)
    make_writable(before.folder)
    change(before.folder)
    # Not even for a process that was told that the former content had been compared.
    after = prepare("mine", mine, cache_dir, checked=before.stamp)
    assert after == before
    np.testing.assert_array_equal(after.images(), mine_content.images)
    np.testing.assert_array_equal(after.labels(), mine_content.labels)
    prepare("mine", mine, cache_dir)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"{before.folder} had been changed or damaged, and was decoded again" in record.getMessage()


def test_a_copy_is_read_only_and_can_be_removed(mine: Path, cache_dir: Path) -> None:
    folder = prepare("mine", mine, cache_dir).folder
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}
    shutil.rmtree(folder)


def make_writable(folder: Path) -> None:
    for path in folder.iterdir():
        path.chmod(0o600)


def truncate_images(folder: Path) -> None:
    os.truncate(folder / "images.npy", (folder / "images.npy").stat().st_size - 1)


def truncate_labels(folder: Path) -> None:
    os.truncate(folder / "labels.npy", 200)


def lose_a_label(folder: Path) -> None:
    np.save(folder / "labels.npy", np.load(folder / "labels.npy")[:-1])


def lose_images(folder: Path) -> None:
    (folder / "images.npy").unlink()


def cut_meta(folder: Path) -> None:
    (folder / "meta.json").write_text((folder / "meta.json").read_text()[:40])


def other_meta(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"shape": [12, 5, 7, 3]}))


@pytest.mark.parametrize("damage", [truncate_images, truncate_labels, lose_a_label, lose_images, cut_meta, other_meta])
def test_a_damaged_copy_is_written_again(
    damage: Callable[[Path], None], mine: Path, cache_dir: Path, mine_content: made.Part
) -> None:
    before = prepare("mine", mine, cache_dir)
    make_writable(before.folder)
    damage(before.folder)
    count = made.Count()
    after = prepare("mine", mine, cache_dir, progress=count)
    assert count.calls
    assert after == before
    np.testing.assert_array_equal(after.images(), mine_content.images)


def test_a_single_class_is_refused(data_dir: Path, cache_dir: Path) -> None:
    made.write_folders(data_dir / "one" / "train", made.part(1, 3, (4, 4, 1)), ["only"])
    with pytest.raises(UnreadableData, match="one/train has a single class"):
        prepare("one", data_dir, cache_dir)


def test_a_broken_image_leaves_no_copy(mine: Path, cache_dir: Path) -> None:
    (mine / "mine" / "train" / "c" / "zzz.png").write_text("broken")
    with pytest.raises(UnreadableData, match=r"zzz\.png"):
        prepare("mine", mine, cache_dir)
    assert [path for path in (cache_dir / "data").iterdir() if path.is_dir()] == []


def test_what_is_missing_and_cannot_be_had_is_one_sentence_with_the_layouts(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path, cache_dir: Path
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(MissingData) as error:
        prepare("fashion-mnist", data_dir, cache_dir)
    message = str(error.value)
    assert "Connection refused" in message
    assert f"{data_dir}/FashionMNIST/raw/train-images-idx3-ubyte (and train-labels-idx1-ubyte)" in message
    assert f"{data_dir}/fashion-mnist/train/<class>/*.png" in message
    assert "t10k" not in message


@pytest.mark.slow
@pytest.mark.parametrize(("name", "examples"), [("fashion-mnist", 60_000), ("cifar10", 50_000)])
def test_the_real_data_sets(name: str, examples: int, real_data: Path, cache_dir: Path) -> None:
    prepared = prepare(name, real_data, cache_dir)
    assert prepared.examples == examples
    assert np.bincount(prepared.labels()).tolist() == [examples // 10] * 10
    if name == "fashion-mnist":
        pinned = "2449bef6ec48b7199f5f8e97716da1da9c09a706f361a053aa62e241f438e654"
        assert prepared.fingerprint == pinned
