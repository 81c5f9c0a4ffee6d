"""The registry, with every entry read from a small copy of its own layout."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from objectives.data.cache import prepare
from objectives.data.catalogue import DATASETS, Dataset, find_dataset, find_own_names
from objectives.data.files.errors import UnknownDataset
from objectives.data.files.layouts import ArrayFile, IdxFiles
from objectives.data.heldout import open_heldout
from objectives.data.sources.remotes import RemoteArchive, RemoteFiles, Source
from tests.objectives.data import made


def root_of(dataset: Dataset, data_dir: Path, cache_dir: Path) -> Path:
    return cache_dir if isinstance(dataset.training[0], ArrayFile) else data_dir


@pytest.mark.parametrize("name", DATASETS)
def test_every_entry_is_read_back_from_its_own_layout(name: str, data_dir: Path, cache_dir: Path) -> None:
    dataset = DATASETS[name]
    training, held_out = made.write_both(dataset, root_of(dataset, data_dir, cache_dir))
    prepared = prepare(name, data_dir, cache_dir)
    np.testing.assert_array_equal(prepared.images(), training.images)
    np.testing.assert_array_equal(prepared.labels(), training.labels)
    assert prepared.classes == dataset.classes
    assert prepared.image_shape == (training.images.shape[3], *training.images.shape[1:3])
    assert (prepared.name, prepared.examples) == (name, len(training.labels))
    test_part = open_heldout(name, data_dir, cache_dir)
    np.testing.assert_array_equal(test_part.images, held_out.images)
    np.testing.assert_array_equal(test_part.labels, held_out.labels)
    assert test_part.fingerprint != prepared.fingerprint


@pytest.mark.parametrize("name", DATASETS)
def test_every_entry_may_lie_in_class_folders_too(name: str, data_dir: Path, cache_dir: Path) -> None:
    dataset = DATASETS[name]
    classes = sorted(label.replace("/", "-") for label in dataset.classes or ())
    training, held_out = (made.part(len(classes), 2, (5, 4, 3), seed) for seed in (1, 2))
    made.write_folders(data_dir / name / "train", training, classes)
    made.write_folders(data_dir / name / "test", held_out, classes)
    prepared = prepare(name, data_dir, cache_dir)
    np.testing.assert_array_equal(prepared.images(), training.images)
    np.testing.assert_array_equal(open_heldout(name, data_dir, cache_dir).images, held_out.images)
    assert prepared.classes == tuple(classes)


@pytest.mark.parametrize("name", DATASETS)
def test_entries_say_what_and_where_from(name: str) -> None:
    dataset = DATASETS[name]
    assert dataset.name == name
    assert "\n" not in dataset.description
    assert len(dataset.description) > 20
    assert len(set(dataset.classes or ())) == len(dataset.classes or ()) >= 10
    assert dataset.training_source is not None
    assert dataset.held_out_source is not None
    assert not set(dataset.training) & set(dataset.held_out)


def test_a_new_data_set_is_one_entry(monkeypatch: pytest.MonkeyPatch, data_dir: Path, cache_dir: Path) -> None:
    entry = Dataset(
        name="runes",
        description="made-up runes, for a test of the registry",
        classes=("ansuz", "fehu", "uruz"),
        training=(IdxFiles(folder="Runes", images="fit-images", labels="fit-labels"),),
        held_out=(IdxFiles(folder="Runes", images="kept-images", labels="kept-labels"),),
    )
    monkeypatch.setitem(DATASETS, "runes", entry)
    training, held_out = made.write_both(entry, data_dir)
    assert prepare("runes", data_dir, cache_dir).classes == ("ansuz", "fehu", "uruz")
    np.testing.assert_array_equal(open_heldout("runes", data_dir, cache_dir).images, held_out.images)
    assert len(training.labels) == prepare("runes", data_dir, cache_dir).examples


def test_class_folders_of_any_name_are_a_data_set(data_dir: Path, cache_dir: Path) -> None:
    training = made.part(3, 2, (4, 4, 1))
    # A class called test is a class; only <name>/test is held out.
    made.write_folders(data_dir / "mine" / "train", training, ["a", "b", "test"])
    assert find_own_names(data_dir) == ["mine"]
    prepared = prepare("mine", data_dir, cache_dir)
    assert prepared.classes == ("a", "b", "test")
    assert prepared.image_shape == (1, 4, 4)


def test_an_unknown_name_gets_close_matches_the_list_and_the_layout(data_dir: Path) -> None:
    (data_dir / "flowers" / "train").mkdir(parents=True)
    with pytest.raises(UnknownDataset) as error:
        find_dataset("cifar-10", data_dir)
    message = str(error.value)
    assert "'cifar-10'" in message
    assert "did you mean cifar10" in message
    for name in (*DATASETS, "flowers", f"{data_dir}/<name>/train/<class>/*.png"):
        assert name in message


@pytest.mark.parametrize("name", ["CIFAR10", "../mine", ".", "..", "", ".hidden", "mine/train"])
def test_names_that_are_no_folder_of_their_own_are_unknown(name: str, data_dir: Path) -> None:
    for folder in ("CIFAR10/train", "mine/train", ".hidden/train", "mine/train/train", "train"):
        (data_dir / folder).mkdir(parents=True, exist_ok=True)
    with pytest.raises(UnknownDataset):
        find_dataset(name, data_dir)


def test_a_folder_of_another_set_cannot_go_by_a_known_name(data_dir: Path, cache_dir: Path) -> None:
    made.write_folders(data_dir / "cifar10" / "train", made.part(3, 2, (4, 4, 3)), ["cat", "dog", "fox"])
    with pytest.raises(Exception, match=r"cifar10 has 10 classes, but .* has 3; rename the folder"):
        prepare("cifar10", data_dir, cache_dir)


def test_a_training_layout_needs_its_held_out_layout() -> None:
    with pytest.raises(ValueError, match="got 1 and 0"):
        dataclasses.replace(DATASETS["mnist"], held_out=())


def _files(source: Source | None) -> dict[str, str]:
    match source:
        case RemoteFiles(files=files):
            return {file.name: file.md5 for file in files}
        case RemoteArchive(file=file):
            return {file.name: file.md5}
        case _:
            return {}


@pytest.mark.slow
def test_addresses_and_sums_are_those_of_torchvision() -> None:
    from torchvision import datasets

    for name, theirs in (("mnist", datasets.MNIST), ("fashion-mnist", datasets.FashionMNIST)):
        ours = DATASETS[name]
        assert isinstance(ours.training_source, RemoteFiles)
        assert list(ours.training_source.mirrors) == theirs.mirrors
        both = _files(ours.training_source) | _files(ours.held_out_source)
        assert both == dict(theirs.resources)
    assert list(DATASETS["fashion-mnist"].classes or ()) == datasets.FashionMNIST.classes
    for name, archive in (("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)):
        ours = DATASETS[name]
        assert isinstance(ours.training_source, RemoteArchive)
        assert ours.training_source.mirrors[0] + ours.training_source.file.name == archive.url
        assert _files(ours.training_source) == _files(ours.held_out_source) == {archive.filename: archive.tgz_md5}
        assert isinstance(ours.held_out_source, RemoteArchive)
        base = archive.base_folder
        assert list(ours.training_source.members) == [f"{base}/{file}" for file, _ in archive.train_list]
        assert list(ours.held_out_source.members) == [f"{base}/{file}" for file, _ in archive.test_list]
