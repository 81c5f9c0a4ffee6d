"""The layouts that a data set's files may have on disk, each a frozen descriptor.

Every path is relative to the data folder, except that of an `ArrayFile`, which is relative to the cache folder. A
descriptor only holds names; a `Location` joins it with a folder and looks at the disk.
"""

import os
from dataclasses import dataclass
from pathlib import Path

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"})


@dataclass(frozen=True, kw_only=True)
class IdxFiles:
    """Two IDX files (LeCun's MNIST format), plain or gzipped with `.gz` added to the name."""

    folder: str
    images: str
    labels: str


@dataclass(frozen=True, kw_only=True)
class CifarBatches:
    """Pickled batches of CIFAR's Python version: 3,072 bytes an image, labels under `labels_key`."""

    folder: str
    files: tuple[str, ...]
    labels_key: str = "labels"


@dataclass(frozen=True, kw_only=True)
class ClassFolder:
    """One folder of image files for each class: `<folder>/<class>/*.png`."""

    folder: str


@dataclass(frozen=True, kw_only=True)
class ArrayFile:
    """One `.npz` under the cache folder with `images` (uint8, N H W C) and `labels` (int64, N)."""

    file: str


Layout = IdxFiles | CifarBatches | ClassFolder | ArrayFile


@dataclass(frozen=True, kw_only=True)
class Location:
    """A layout, and the folder that its paths are relative to."""

    layout: Layout
    root: Path

    def files(self) -> list[Path]:
        """Return the paths of the layout's files here, which may not exist; for class folders, only the folder."""
        match self.layout:
            case IdxFiles(folder=folder, images=images, labels=labels):
                return [_plain_or_gzipped(self.root / folder / name) for name in (images, labels)]
            case CifarBatches(folder=folder, files=files):
                return [self.root / folder / name for name in files]
            case ClassFolder(folder=folder):
                return [self.root / folder]
            case ArrayFile(file=file):
                return [self.root / file]

    def exists(self) -> bool:
        """Return whether every file (for class folders, the folder) exists."""
        if isinstance(self.layout, ClassFolder):
            return os.path.isdir(self.files()[0])
        # Unlike `Path.is_file`, this is False for a name that is too long.
        return all(os.path.isfile(file) for file in self.files())

    def describe(self) -> str:
        """Return what is expected here, as a path pattern for an error message."""
        if isinstance(self.layout, ClassFolder):
            return f"{self.files()[0]}/<class>/*.png"
        first, *others = (str(file) for file in self.files())
        return first + (f" (and {', '.join(Path(file).name for file in others)})" if others else "")


def locate(layout: Layout, *, data_dir: Path, cache_dir: Path) -> Location:
    """Return the location of a layout, given the two folders."""
    return Location(layout=layout, root=cache_dir if isinstance(layout, ArrayFile) else data_dir)


def _plain_or_gzipped(path: Path) -> Path:
    gzipped = path.with_name(path.name + ".gz")
    return gzipped if not os.path.isfile(path) and os.path.isfile(gzipped) else path
