"""Descriptors of where a part of a data set comes from; addresses and MD5 sums are those of torchvision's classes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file and its MD5 sum in hexadecimal."""

    name: str
    md5: str


@dataclass(frozen=True, kw_only=True)
class RemoteFiles:
    """Files that are downloaded one by one into `folder`, each from the first of `mirrors` (URLs) that has it."""

    mirrors: tuple[str, ...]
    folder: str
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True, kw_only=True)
class RemoteArchive:
    """A gzipped tar, which is downloaded into the data folder and kept there, and the members to extract from it."""

    mirrors: tuple[str, ...]
    file: RemoteFile
    members: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Bundled:
    """Data of an installed package: `write(cache_dir)` writes the missing files."""

    package: str
    write: Callable[[Path], None]


Source = RemoteFiles | RemoteArchive | Bundled
