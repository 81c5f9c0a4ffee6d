"""How a data set's files may lie on disk: frozen descriptors, one a layout.

Every path is relative to the data folder, except that of an `ArrayFile`, which is relative to the cache
folder. A descriptor knows names only; it never looks at the disk unless a function below is handed a folder.
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
    """One folder a class with image files in it: `<folder>/<class>/*.png`."""

    folder: str


@dataclass(frozen=True, kw_only=True)
class ArrayFile:
    """One `.npz` under the cache folder with `images` (uint8, N H W C) and `labels` (int64, N)."""

    file: str


Layout = IdxFiles | CifarBatches | ClassFolder | ArrayFile


@dataclass(frozen=True, kw_only=True)
class Location:
    """A layout and the absolute paths of what it names."""

    layout: Layout
    root: Path

    def files(self) -> list[Path]:
        """The files of the layout as they would lie here; for class folders, the folder alone."""
        match self.layout:
            case IdxFiles(folder=folder, images=images, labels=labels):
                return [_plain_or_gzipped(self.root / folder / name) for name in (images, labels)]
            case CifarBatches(folder=folder, files=files):
                return [self.root / folder / name for name in files]
            case ClassFolder(folder=folder):
                return [self.root / folder]
            case ArrayFile(file=file):
                return [self.root / file]

    def present(self) -> bool:
        """Whether every file (for class folders: the folder) exists."""
        if isinstance(self.layout, ClassFolder):
            return os.path.isdir(self.files()[0])
        # Unlike a path's own method, this one says no of a name that is too long.
        return all(os.path.isfile(file) for file in self.files())

    def describe(self) -> str:
        """What is expected here, as a path pattern for an error message."""
        if isinstance(self.layout, ClassFolder):
            return f"{self.files()[0]}/<class>/*.png"
        first, *others = (str(file) for file in self.files())
        return first + (f" (and {', '.join(Path(file).name for file in others)})" if others else "")


def locate(layout: Layout, *, data_dir: Path, cache_dir: Path) -> Location:
    """Where the files of `layout` lie, given the two folders."""
    return Location(layout=layout, root=cache_dir if isinstance(layout, ArrayFile) else data_dir)


def _plain_or_gzipped(path: Path) -> Path:
    gzipped = path.with_name(path.name + ".gz")
    return gzipped if not os.path.isfile(path) and os.path.isfile(gzipped) else path
