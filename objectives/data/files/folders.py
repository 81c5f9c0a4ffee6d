"""Class folders: image files `<folder>/<class>/*`, read by Pillow in threads."""

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectives.base.plurals import count_noun
from objectives.data.files import image_files
from objectives.data.files.decoded import Decoded
from objectives.data.files.errors import DataError, UnreadableData, UnreadableImage
from objectives.data.files.layouts import IMAGE_SUFFIXES

_BLOCK_BYTES = 8 * 2**20
_LISTED = 10

# Below about 224x224 pixels, decoding is mostly Python code, and threads would only wait for each other.
_THREADS_FROM_PIXELS = 224 * 224


def list_images(folder: Path, *, grouped: bool = False) -> dict[str, list[str]]:
    """Return the image files of every class, sorted by name, without hidden files and files of other types.

    grouped: adds those in sub-folders of the classes, as `<group>/<file>`; sub-folders that are links are left out.

    Raises:
        UnreadableData: the folder cannot be listed, has no class, or a class has no image.
    """
    try:
        names = sorted(entry.name for entry in _list_visible(folder) if entry.is_dir())
        images = {name: _list_image_names(folder / name, grouped) for name in names}
    except DataError:
        raise
    except OSError as error:
        raise UnreadableData(f"{folder} cannot be listed ({error.strerror})") from error
    if not images:
        raise UnreadableData(f"{folder} is empty; it must have one folder for each class, {folder}/<class>/*.png")
    for name, files in images.items():
        if not files:
            raise UnreadableData(
                f"the class folder {folder / name} has no image ({', '.join(sorted(IMAGE_SUFFIXES))}); "
                "add images to it, or remove it"
                + ("; --group-by folder reads its sub-folders" if not grouped and _has_folders(folder / name) else "")
            )
    return images


def scan_images(folder: Path, *, grouped: bool = False) -> list[tuple[str, int, int]]:
    """Return the relative path, size (bytes) and modification time (ns) of every image, without opening any.

    grouped: as in `list_images`.

    Raises:
        UnreadableData: as in `list_images`.
    """
    paths = [f"{name}/{file}" for name, files in list_images(folder, grouped=grouped).items() for file in files]
    try:
        stats = [os.stat(f"{folder}/{path}") for path in paths]
    except OSError as error:
        raise UnreadableData(f"{error.filename} cannot be read ({error.strerror})") from error
    return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in zip(paths, stats, strict=True)]


def decode_folder(
    folder: Path,
    *,
    classes: tuple[str, ...] | None,
    channels: int | None,
    image_size: int | None,
    grouped: bool = False,
) -> Decoded:
    """Return the images of `folder` in the order of their classes and names.

    Args:
        classes: names in the order of the labels; None for the folders' sorted names.
        channels: 1 or 3; None for 1 if every image is grayscale, else 3.
        image_size: as in `image_files.read`; None requires that all images have one size.
        grouped: as in `list_images`.

    Raises:
        UnreadableData: as in `list_images`; or a folder is not one of `classes`; or an image cannot be decoded.
    """
    images = list_images(folder, grouped=grouped)
    classes = classes or tuple(images)
    check_known_classes(folder, images, classes)
    # Strings, because opening 50,000 images through Path objects takes 1.5 times as long.
    files = [f"{folder}/{name}/{file}" for name in classes for file in images.get(name, ())]
    try:
        if channels is None:
            channels = 1 if all(image_files.is_grayscale(file) for file in files) else 3
        first = image_files.read(files[0], channels, image_size)
    except UnreadableImage as error:
        raise list_unreadable(files, error) from None
    labels = [label for label, name in enumerate(classes) for _ in images.get(name, ())]
    return Decoded(
        labels=np.array(labels, dtype=np.int64),
        classes=classes,
        height=first.shape[0],
        width=first.shape[1],
        channels=channels,
        blocks=_read_blocks(files, first.shape, image_size),
        groups=tuple(file.rpartition("/")[0] for name in classes for file in images.get(name, ())) if grouped else None,
    )


def check_known_classes(folder: Path, found: Collection[str], classes: Sequence[str]) -> None:
    """Raise `UnreadableData` if a class folder that was found in `folder` is not one of `classes`."""
    extra = sorted(set(found) - set(classes))
    if extra:
        raise UnreadableData(
            f"{folder / extra[0]} is not a class of this data set; its classes are {', '.join(classes)}"
        )


def check_grouped(folder: Path) -> None:
    """Raise `UnreadableData` if images of a training part in groups are in no group."""
    for name, files in list_images(folder, grouped=True).items():
        loose = [file for file in files if "/" not in file]
        if loose:
            raise UnreadableData(
                f"--group-by folder reads {folder}/<class>/<group>/*, but {count_noun(len(loose), 'image')} directly "
                f"in {folder / name} ({loose[0]}{', ...' if len(loose) > 1 else ''}) "
                f"{'is' if len(loose) == 1 else 'are'} in no group; move every image into the folder of its group, or "
                "leave --group-by out"
            )


def _list_visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _has_folders(folder: Path) -> bool:
    return any(entry.is_dir() for entry in _list_visible(folder))


def _list_image_names(folder: Path, grouped: bool = False) -> list[str]:
    names = []
    for entry in _list_visible(folder):
        if grouped and entry.is_dir(follow_symlinks=False):
            names += [f"{entry.name}/{name}" for name in _list_image_names(Path(entry.path))]
        else:
            names.append(entry.name)
    return sorted(name for name in names if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES)


def _read_blocks(files: Sequence[str], shape: tuple[int, ...], image_size: int | None) -> Iterator[NDArray[np.uint8]]:
    """Yield blocks of about eight megabytes in order, reading a few ahead."""
    height, width, channels = shape
    size = max(1, _BLOCK_BYTES // (height * width * channels))

    def read(start: int) -> NDArray[np.uint8]:
        chunk = files[start : start + size]
        block = np.empty((len(chunk), height, width, channels), dtype=np.uint8)
        for k, file in enumerate(chunk):
            image = image_files.read(file, channels, image_size)
            if image.shape != block.shape[1:]:
                raise UnreadableData(
                    f"all images must have one size, but {files[0]} has {width}x{height} and {file} has "
                    f"{image.shape[1]}x{image.shape[0]}; set image_size to resize them all"
                )
            block[k] = image
        return block

    try:
        yield from _read_ahead(read, range(0, len(files), size), height * width)
    except UnreadableImage as error:
        raise list_unreadable(files, error) from None


def _read_ahead(
    read: Callable[[int], NDArray[np.uint8]], starts: Sequence[int], pixels: int
) -> Iterator[NDArray[np.uint8]]:
    threads = min(8, os.cpu_count() or 1) if pixels >= _THREADS_FROM_PIXELS else 1
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    try:
        left = iter(starts)
        ahead = deque(pool.submit(read, start) for start in islice(left, 2 * threads))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(read, start) for start in islice(left, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def list_unreadable(files: Sequence[str], first: UnreadableImage) -> UnreadableData:
    """Return one error for all images that cannot be used, of which `first` was found; every file is read."""

    def find_error(file: str) -> UnreadableImage | None:
        try:
            image_files.read(file, 3, None)
        except UnreadableImage as error:
            return error
        return None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="check") as pool:
        errors = [error for error in pool.map(find_error, files) if error is not None]
    if len(errors) < 2:
        return errors[0] if errors else first
    listed = "; ".join(f"{error.path} {error.problem}" for error in errors[:_LISTED])
    more = f"; and {len(errors) - _LISTED:,} more" if len(errors) > _LISTED else ""
    return UnreadableData(
        f"{len(errors):,} of {len(files):,} images cannot be used: {listed}{more}; replace or remove them"
    )
