"""Whole layouts that do not hold together."""

from pathlib import Path

import numpy as np
import pytest

from objectives.data.catalogue import DATASETS
from objectives.data.files.decode import decode
from objectives.data.files.decoded import compute_fingerprint
from objectives.data.files.errors import UnreadableData
from objectives.data.files.layouts import ArrayFile, IdxFiles, Layout, Location
from tests.objectives.data import made

IDX = IdxFiles(folder="raw", images="images", labels="labels")
ARRAYS = ArrayFile(file="part.npz")
CLASSES = ("a", "b", "c")


def written(layout: Layout, root: Path, content: made.Part) -> Location:
    made.write(layout, root, content, CLASSES)
    return Location(layout=layout, root=root)


def test_labels_must_be_as_many_as_images(tmp_path: Path) -> None:
    content = made.part(3, 2, (4, 4, 1))
    place = written(IDX, tmp_path, made.Part(images=content.images, labels=content.labels[:-1]))
    with pytest.raises(UnreadableData, match="has 5 for 6 images"):
        decode(place, classes=CLASSES)


def test_labels_must_name_classes(tmp_path: Path) -> None:
    place = written(IDX, tmp_path, made.part(4, 2, (4, 4, 1)))
    with pytest.raises(UnreadableData, match=r"0 <= label < 3 must hold in .*, but its labels are from 0 to 3"):
        decode(place, classes=CLASSES)


def test_a_part_without_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match="has no examples"):
        decode(written(IDX, tmp_path, made.part(3, 0, (4, 4, 1))), classes=CLASSES)


def test_arrays_are_resized_as_files_are(tmp_path: Path) -> None:
    content = made.part(3, 2, (6, 9, 1))
    made.write_folders(tmp_path / "folders", content, CLASSES)
    from objectives.data.files.layouts import ClassFolder

    folders = Location(layout=ClassFolder(folder="folders"), root=tmp_path)
    results = [decode(place, classes=CLASSES, image_size=4) for place in (written(IDX, tmp_path, content), folders)]
    first, second = (np.concatenate(list(part.blocks)) for part in results)
    assert first.shape == (6, 4, 4, 1)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "no labels", "other type", "pickled"])
def test_a_broken_array_file_is_refused_and_named(damage: str, tmp_path: Path) -> None:
    content = made.part(3, 2, (4, 4, 1))
    place = written(ARRAYS, tmp_path, content)
    path = tmp_path / "part.npz"
    match damage:
        case "truncated":
            path.write_bytes(path.read_bytes()[:-30])
        case "text":
            path.write_text("hello")
        case "empty":
            path.write_bytes(b"")
        case "no labels":
            np.savez(path, images=content.images)
        case "other type":
            np.savez(path, images=content.images.astype(float), labels=content.labels)
        case "pickled":
            np.savez(path, images=np.array([{}], dtype=object), labels=content.labels)
    with pytest.raises(UnreadableData, match=r"part\.npz .*remove it, and it will be written again"):
        decode(place, classes=CLASSES)


def test_the_fingerprint_sees_every_part_of_the_content() -> None:
    labels = np.array([0, 1])
    base = compute_fingerprint("a" * 64, labels, ("x", "y"), (2, 1, 1, 1))
    others = [
        compute_fingerprint("b" * 64, labels, ("x", "y"), (2, 1, 1, 1)),
        compute_fingerprint("a" * 64, labels[::-1], ("x", "y"), (2, 1, 1, 1)),
        compute_fingerprint("a" * 64, labels, ("y", "x"), (2, 1, 1, 1)),
        compute_fingerprint("a" * 64, labels, ("x", "y"), (2, 1, 1, 3)),
    ]
    assert len({base, *others}) == 5
    assert base == compute_fingerprint("a" * 64, labels.astype(">i4"), ("x", "y"), (2, 1, 1, 1))
    assert set(DATASETS) >= {"digits", "mnist", "fashion-mnist", "cifar10", "cifar100"}
