"""The folder `val/` beside `train/`: images that their owner has set apart for validation."""

import os
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from objectives.data.files.decoded import Decoded
from objectives.data.files.errors import UnreadableData
from objectives.data.files.folders import decode_folder, list_images
from objectives.data.files.layouts import ClassFolder, Location

FOLDER = "val"


def find_validation_folder(training: Location) -> Path | None:
    """Return the folder of validation images beside a training part in class folders; None if there is none.

    Raises:
        UnreadableData: it is, or has, a link to the test part.
    """
    if not isinstance(training.layout, ClassFolder):
        return None
    folder = training.files()[0].with_name(FOLDER)
    if not os.path.isdir(folder):
        return None
    with os.scandir(folder) as entries:
        links = [entry.path for entry in entries if entry.is_symlink()]
    for path in [str(folder), *links] if folder.is_symlink() else links:
        held_out = os.path.realpath(folder.with_name("test"))  # looked at only if something may lead there
        if f"{os.path.realpath(path)}/".startswith(f"{held_out}/"):
            raise UnreadableData(
                f"{path} leads to the test part {held_out}, whose images must not choose anything; remove the link"
            )
    return folder


def add_validation(train: Decoded, folder: Path, image_size: int | None) -> Decoded:
    """Return the training part with the images of `folder` behind it, which are numbered and sized as it is.

    Raises:
        UnreadableData: as for `decode_folder`; or the classes or the sizes of the images are not the training part's,
            or a group has images in both.
    """
    grouped = train.groups is not None
    missing = [name for name in train.classes if name not in list_images(folder, grouped=grouped)]
    if missing:
        raise UnreadableData(
            f"{folder} has no images of {', '.join(missing)}, but validation needs some of every class of train/; add "
            "them, or remove val/ to split the validation images off train/"
        )
    added = decode_folder(
        folder, classes=train.classes, channels=train.channels, image_size=image_size, grouped=grouped
    )
    _check_size(train, added, folder)
    _check_groups(train, added, folder)
    return replace(
        train,
        labels=np.concatenate([train.labels, added.labels]),
        blocks=chain(train.blocks, added.blocks),
        groups=None if train.groups is None else (*train.groups, *(added.groups or ())),
        validation=len(added.labels),
    )


def _check_size(train: Decoded, added: Decoded, folder: Path) -> None:
    if (train.width, train.height) != (added.width, added.height):
        raise UnreadableData(
            f"the images of {folder} have {added.width}x{added.height} pixels, but those of train/ have "
            f"{train.width}x{train.height}; set image_size to resize them all"
        )


def _check_groups(train: Decoded, added: Decoded, folder: Path) -> None:
    shared = sorted((set(train.groups or ()) & set(added.groups or ())) - {""})
    if shared:
        raise UnreadableData(
            f"group {shared[0]!r} has images in train/ and in {folder}, but the images of a group must stay together; "
            "move them into one of the two, or leave --group-by out"
        )
