"""Class folders: `<folder>/<class>/*` image files, read with Pillow in threads."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectives.data.files import image_files
from objectives.data.files.decoded import Decoded
from objectives.data.files.errors import DataError, UnreadableData
from objectives.data.files.layouts import IMAGE_SUFFIXES

_BLOCK_BYTES = 8 * 2**20

# Below about 224x224 pixels most of a decode is Python, and threads would only wait for each other.
_THREADS_FROM_PIXELS = 224 * 224


def list_images(folder: Path) -> dict[str, list[str]]:
    """The image files of every class, both sorted by name; hidden files and files of other kinds are left
    out.

    Raises UnreadableData: the folder cannot be listed, has no class, or a class has no image.
    """
    try:
        names = sorted(entry.name for entry in _visible(folder) if entry.is_dir())
        images = {name: _images(folder / name) for name in names}
    except DataError:
        raise
    except OSError as error:
        raise UnreadableData(f"{folder} cannot be listed ({error.strerror}).") from error
    if not images:
        raise UnreadableData(f"{folder} is empty: it must hold one folder a class, {folder}/<class>/*.png.")
    for name, files in images.items():
        if not files:
            raise UnreadableData(
                f"The class folder {folder / name} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}): "
                "add images to it or remove it."
            )
    return images


def scan_images(folder: Path) -> list[tuple[str, int, int]]:
    """Relative path, bytes and modification time (ns) of every image, without opening one.

    Raises UnreadableData: as `list_images`.
    """
    paths = [f"{name}/{file}" for name, files in list_images(folder).items() for file in files]
    try:
        stats = [os.stat(f"{folder}/{path}") for path in paths]
    except OSError as error:
        raise UnreadableData(f"{error.filename} cannot be read ({error.strerror}).") from error
    return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in zip(paths, stats, strict=True)]


def decode_folder(
    folder: Path, *, classes: tuple[str, ...] | None, channels: int | None, image_size: int | None
) -> Decoded:
    """The images of `folder` in the order of their classes and names.

    classes: names in the order of the labels; None takes the folders' sorted names. channels: 1 or 3; None
    takes 1 where every image is grayscale, else 3. image_size: see `pictures.read`; None demands that all
    images have one size.

    Raises UnreadableData: as `list_images`; a folder that is none of `classes`; an image that cannot be
    decoded.
    """
    images = list_images(folder)
    classes = classes or tuple(images)
    extra = sorted(set(images) - set(classes))
    if extra:
        raise UnreadableData(f"{folder / extra[0]} is no class of this data set; its classes are {', '.join(classes)}.")
    # Strings: opening 50,000 images through Path objects takes half as long again.
    files = [f"{folder}/{name}/{file}" for name in classes for file in images.get(name, ())]
    if channels is None:
        channels = 1 if all(image_files.is_grayscale(file) for file in files) else 3
    first = image_files.read(files[0], channels, image_size)
    labels = [label for label, name in enumerate(classes) for _ in images.get(name, ())]
    return Decoded(
        labels=np.array(labels, dtype=np.int64),
        classes=classes,
        height=first.shape[0],
        width=first.shape[1],
        channels=channels,
        blocks=_blocks(files, first.shape, image_size),
    )


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _images(folder: Path) -> list[str]:
    return sorted(entry.name for entry in _visible(folder) if os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES)


def _blocks(files: Sequence[str], shape: tuple[int, ...], image_size: int | None) -> Iterator[NDArray[np.uint8]]:
    """Blocks of about eight megabytes in order, a few of them being read ahead."""
    height, width, channels = shape
    size = max(1, _BLOCK_BYTES // (height * width * channels))

    def read(start: int) -> NDArray[np.uint8]:
        chunk = files[start : start + size]
        block = np.empty((len(chunk), height, width, channels), dtype=np.uint8)
        for k, file in enumerate(chunk):
            image = image_files.read(file, channels, image_size)
            if image.shape != block.shape[1:]:
                raise UnreadableData(
                    f"All images must have one size, but {files[0]} has {width}x{height} and {file} has "
                    f"{image.shape[1]}x{image.shape[0]}: set image_size to resize them all."
                )
            block[k] = image
        return block

    threads = min(8, os.cpu_count() or 1) if height * width >= _THREADS_FROM_PIXELS else 1
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    try:
        starts = iter(range(0, len(files), size))
        ahead = deque(pool.submit(read, start) for start in islice(starts, 2 * threads))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(read, start) for start in islice(starts, 1))
    finally:
        pool.shutdown(cancel_futures=True)
