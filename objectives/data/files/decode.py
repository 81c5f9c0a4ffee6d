"""Decoding: from a layout on disk to labels, class names and image blocks, opening no other files."""

from collections.abc import Iterator

import numpy as np

from objectives.data.files import image_files
from objectives.data.files.cifar import read_batch
from objectives.data.files.decoded import Decoded, Images, Labels, check_labels
from objectives.data.files.folders import decode_folder
from objectives.data.files.idx import read_idx
from objectives.data.files.layouts import ArrayFile, CifarBatches, ClassFolder, IdxFiles, Location
from objectives.data.files.npz import read_arrays

_BLOCK_IMAGES = 4096


def decode(
    location: Location,
    *,
    classes: tuple[str, ...] | None,
    channels: int | None = None,
    image_size: int | None = None,
    grouped: bool = False,
) -> Decoded:
    """Return one part of a data set; its images are read when the blocks are iterated.

    Args:
        classes: names in the order of the labels; None, only for class folders, for the folders' sorted names.
        channels: for class folders, 1 or 3; None for 1 if every image is grayscale, else 3.
        image_size: pixels; the shorter side is resized to it and the centre is cropped; None for images as they are.
        grouped: for class folders, whether images in sub-folders of the classes are read, too.

    Raises:
        UnreadableData: a file is not what its layout says; the message names it.
    """
    files = location.files()
    match location.layout:
        case ClassFolder():
            return decode_folder(files[0], classes=classes, channels=channels, image_size=image_size, grouped=grouped)
        case IdxFiles():
            images = read_idx(files[0], dimensions=3)[..., None]
            labels = read_idx(files[1], dimensions=1).astype(np.int64)
        case CifarBatches(labels_key=labels_key):
            batches = [read_batch(file, labels_key) for file in files]
            images = np.concatenate([images for images, _ in batches])
            labels = np.concatenate([labels for _, labels in batches])
        case ArrayFile():
            images, labels = read_arrays(files[0])
    assert classes is not None
    return _wrap_arrays(images, check_labels(labels, classes, len(images), files[-1]), classes, image_size)


def _wrap_arrays(images: Images, labels: Labels, classes: tuple[str, ...], image_size: int | None) -> Decoded:
    height, width = images.shape[1:3] if image_size is None else (image_size, image_size)
    return Decoded(
        labels=labels,
        classes=classes,
        height=height,
        width=width,
        channels=images.shape[3],
        blocks=_iterate_blocks(images, image_size),
    )


def _iterate_blocks(images: Images, image_size: int | None) -> Iterator[Images]:
    for start in range(0, len(images), _BLOCK_IMAGES):
        block = images[start : start + _BLOCK_IMAGES]
        yield block if image_size is None else image_files.fit_block(block, image_size)
