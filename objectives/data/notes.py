"""What a user should know about a data set that can be used: files that are left out, pictures that are all alike."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from objectives.base.plurals import count_noun
from objectives.data.catalogue import find_dataset
from objectives.data.duplicates import count_known_images
from objectives.data.files.layouts import IMAGE_SUFFIXES, ClassFolder, locate
from objectives.data.files.prepared import Prepared

_PARTS = frozenset({"train", "test", "val"})
_SHOWN = 3


def describe_oddities(prepared: Prepared, data_dir: Path, cache_dir: Path) -> tuple[str, ...]:
    """Return a sentence for each thing about a prepared data set that its owner may not have meant.

    The test part is neither opened nor listed.
    """
    dataset = find_dataset(prepared.name, data_dir)
    places = [locate(layout, data_dir=data_dir, cache_dir=cache_dir) for layout in dataset.training_layouts]
    found = next((place for place in places if place.exists()), None)
    in_folders = found is not None and isinstance(found.layout, ClassFolder)
    unused = describe_unused(found.files()[0], grouped=prepared.grouped) if found and in_folders else None
    found_notes = (unused, describe_alike(prepared), describe_shared(prepared))
    return tuple(note for note in found_notes if note is not None)


def describe_shared(prepared: Prepared) -> str | None:
    """Return a sentence if images of val/ are in train/ as well; None if none is, or there is no val/."""
    if not prepared.validation_examples:
        return None
    images, first = prepared.images(), prepared.examples - prepared.validation_examples
    count = count_known_images(images[first:], images[:first])
    if not count:
        return None
    return (
        f"{count:,} of the {prepared.validation_examples:,} images of val/ of {prepared.name} are in train/, too, "
        "pixel by pixel; a validation image that was trained on tells nothing about new images: remove it "
        "from one of the two"
    )


def describe_unused(train: Path, *, grouped: bool = False) -> str | None:
    """Return which files and folders in and beside the class folders of `train` are not used; None if all are.

    grouped: whether the images in sub-folders of the classes are used.
    Hidden ones are not mentioned, and links are not followed.
    """
    beside = [entry.name for entry in _list_visible(train) if entry.is_file()]
    suffixes, deeper, folders = _look_into_classes(train, grouped)
    where = "train/<class>/<group>/*" if grouped else "train/<class>/*"
    used_for_validation = os.path.isdir(train.with_name("val"))
    parts = [
        f"{count_noun(deeper, 'file')} in sub-folders of classes ({_join(folders)})" if folders else "",
        f"{count_noun(len(suffixes), 'file')} of other types ({_join(sorted(set(suffixes)))})" if suffixes else "",
        f"{count_noun(len(beside), 'file')} beside the class folders ({_join(beside)})" if beside else "",
        *(f"the folder {name}/ beside train/" for name in _list_other_parts(train.parent)),
    ]
    parts = [part for part in parts if part]
    if not parts:
        return None
    return (
        f"not used of {train.parent}: {'; '.join(parts)}; only {where} is read, of the types "
        f"{' '.join(sorted(IMAGE_SUFFIXES))}, and validation images are "
        + ("those of val/, laid out in the same way" if used_for_validation else "split off it")
        + ("" if grouped or not folders else "; --group-by folder reads sub-folders of classes")
    )


def describe_alike(prepared: Prepared) -> str | None:
    """Return a sentence if all images have the same pixels; None otherwise. It ends at the first that differs."""
    images = prepared.images()
    if prepared.examples < 2 or any(not np.array_equal(images[0], image) for image in images[1:]):
        return None
    return (
        f"all {prepared.examples:,} images of {prepared.name} have the same pixels; look at the files (what is "
        "transparent is laid on white, so white ink on a transparent ground disappears)"
    )


def _look_into_classes(train: Path, grouped: bool) -> tuple[list[str], int, list[str]]:
    """Return the suffix of each file of an unknown type, the number of files in sub-folders, and these folders."""
    suffixes, deeper, folders = [], 0, []
    for label in (entry for entry in _list_visible(train) if entry.is_dir()):
        for entry in _list_visible(Path(label.path)):
            if grouped and entry.is_dir(follow_symlinks=False):
                inside = [one for one in _list_visible(Path(entry.path)) if one.is_dir()]
                deeper += sum(map(_count_files, inside))
                folders += [f"train/{label.name}/{entry.name}/{one.name}" for one in inside]
            elif entry.is_dir():
                deeper += _count_files(entry)
                folders.append(f"train/{label.name}/{entry.name}")
            elif (suffix := os.path.splitext(entry.name)[1].lower()) not in IMAGE_SUFFIXES:
                suffixes.append(suffix or "no suffix")
    return suffixes, deeper, folders


def _count_files(folder: os.DirEntry[str]) -> int:
    if folder.is_symlink():
        return 0
    return sum(not name.startswith(".") for _, _, names in os.walk(folder.path) for name in names)


def _list_other_parts(folder: Path) -> Iterator[str]:
    return (entry.name for entry in _list_visible(folder) if entry.name not in _PARTS and entry.is_dir())


def _list_visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _join(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(name if name.isprintable() else ascii(name) for name in names[:_SHOWN]) + more
