"""Where the bytes of checkpoints are: a folder, which machines may share, or a bucket of an S3 service.

The database knows the hash of every checkpoint; a store must only return what was written, or fail.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Collection
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from storage.errors import BadURL, StoreFailed
from storage.files import PRIVATE, write_file

S3 = "s3://"
# A younger file may be a checkpoint that its worker is about to register.
ORPHAN_SECONDS = 3600.0
_KEY = re.compile(r"(?!\.{1,2}(/|$))[\w.-]{1,255}(/(?!\.{1,2}(/|$))[\w.-]{1,255})*", re.ASCII)


class BlobStore(Protocol):
    """Bytes by key; a key is a few words separated by slashes, as `check_key` demands.

    Every method raises StoreFailed if the store fails, or if the key could lead to another place.
    """

    def write(self, key: str, content: bytes) -> None:
        """Store `content` whole or not at all."""

    def read(self, key: str) -> bytes:
        """Return what was written; a missing key is a failure."""

    def remove(self, key: str) -> None:
        """Remove a key; a missing one is removed already."""

    def tidy(self, prefix: str, known: Collection[str]) -> None:
        """Remove the keys that begin with `prefix` and are not `known`, if the store can list its keys."""


class FolderStore:
    """A folder of this machine, or one that several machines mount."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, key: str, content: bytes) -> None:
        """Write the file whole or not at all, even through a crash or on a full disk."""
        path = self._locate(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, content, mode=PRIVATE)
        except OSError as error:
            raise _explain(f"cannot write {path}", error) from error

    def read(self, key: str) -> bytes:
        path = self._locate(key)
        try:
            return path.read_bytes()
        except OSError as error:
            raise _explain(f"cannot read {path}", error) from error

    def remove(self, key: str) -> None:
        path = self._locate(key)
        try:
            path.unlink(missing_ok=True)
            for folder in path.relative_to(self.root).parents:
                if folder != Path():
                    (self.root / folder).rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if path.exists():
                raise _explain(f"cannot remove {path}", error) from error
            # Other files are still in the folder.

    def tidy(self, prefix: str, known: Collection[str]) -> None:
        root = self._locate(prefix)
        try:
            for path in sorted(root.rglob("*")) if root.is_dir() else []:
                key = path.relative_to(self.root).as_posix()
                if path.is_symlink() or not path.is_file():
                    continue
                if key not in known and time.time() - path.stat().st_mtime > ORPHAN_SECONDS:
                    self.remove(key)
        except OSError as error:
            raise _explain(f"cannot tidy {root}", error) from error

    def _locate(self, key: str) -> Path:
        """Return the file of a key: keys come from the storage, which must not choose files elsewhere."""
        check_key(key)
        path = self.root / key
        try:
            if path.parent.resolve().is_relative_to(self.root.resolve()) and not path.is_symlink():
                return path
        except OSError as error:
            raise _explain(f"cannot find {path}", error) from error
        raise StoreFailed(f"{path} is a link to another place, or lies behind one, and is not touched")


class BucketStore:
    """A bucket of an S3 service, through Optuna's artifact store. The service's lifecycle rules tidy it."""

    def __init__(self, name: str, prefix: str) -> None:
        """Connect to nothing yet.

        Raises:
            BadURL: the package for S3 is not installed.
        """
        try:
            import boto3
        except ImportError:
            raise BadURL(
                f"checkpoints at {S3}{name} need the package boto3; install depthsearch[s3], or name a folder"
            ) from None
        from botocore.config import Config
        from optuna.artifacts import Boto3ArtifactStore

        limits = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 2})
        self._store = Boto3ArtifactStore(name, boto3.client("s3", config=limits))
        self._prefix = f"{prefix}/" if prefix else ""

    def write(self, key: str, content: bytes) -> None:
        name = self._name(key)
        try:
            self._store.write(name, io.BytesIO(content))
        except Exception as error:  # the errors of botocore and of Optuna have no common root
            raise _explain(f"cannot write {key}", error) from error

    def read(self, key: str) -> bytes:
        name = self._name(key)
        try:
            with contextlib.closing(self._store.open_reader(name)) as reader:
                return reader.read()
        except Exception as error:
            raise _explain(f"cannot read {key}", error) from error

    def remove(self, key: str) -> None:
        name = self._name(key)
        try:
            self._store.remove(name)
        except Exception as error:
            raise _explain(f"cannot remove {key}", error) from error

    def tidy(self, prefix: str, known: Collection[str]) -> None:
        """Do nothing: to list a bucket takes money and rights, and a lifecycle rule does this better."""

    def _name(self, key: str) -> str:
        check_key(key)
        return self._prefix + key


def check_key(key: str) -> None:
    """Refuse a key that could lead out of its store.

    Raises:
        StoreFailed: it is not words of letters, digits, dots, dashes and underscores with single slashes between.
    """
    if not _KEY.fullmatch(key):
        raise StoreFailed(f"{key[:100]!r} is not the key of a file in the store of checkpoints, and is not touched")


def open_store(place: str) -> BlobStore:
    """Return the store at a folder's path or at `s3://bucket/prefix`; nothing is created or contacted yet.

    Raises:
        BadURL: `place` is of another kind, or names no bucket.
    """
    if place.startswith(S3):
        parts = urlsplit(place)
        if not parts.netloc or parts.query or parts.fragment or parts.username:
            raise BadURL(f"checkpoints need {S3}bucket or {S3}bucket/prefix, but got {place!r}")
        return BucketStore(parts.netloc, parts.path.strip("/"))
    if "://" in place:
        raise BadURL(f"checkpoints are kept in a folder or at {S3}bucket/prefix, but got {place!r}; name one")
    return FolderStore(Path(place).expanduser())


def _explain(what: str, error: Exception) -> StoreFailed:
    reason = (str(error).splitlines() or [""])[0]
    detail = error.strerror if isinstance(error, OSError) and error.strerror else reason
    return StoreFailed(f"{what}: {detail or type(error).__name__}")
