"""Where the bytes of checkpoints are: a folder, which machines may share, or a bucket of an S3 service.

The database knows the hash of every checkpoint; a store must only return what was written, or fail.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

from storage.errors import BadURL, StoreFailed
from storage.files import PRIVATE, write_file
from storage.records.blobs import BlobStore, check_key, explain, mask_passwords
from storage.records.buckets import S3, BucketStore

# A younger file may be a checkpoint that its worker is about to register.
ORPHAN_SECONDS = 3600.0


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
            raise explain(f"cannot write {path}", error) from error

    def read(self, key: str) -> bytes:
        path = self._locate(key)
        try:
            return path.read_bytes()
        except OSError as error:
            raise explain(f"cannot read {path}", error) from error

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
                raise explain(f"cannot remove {path}", error) from error
            # Other files are still in the folder.

    def check(self) -> None:
        """Check nothing: a folder that is full or away for a while costs only checkpoints."""

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
            raise explain(f"cannot tidy {root}", error) from error

    def _locate(self, key: str) -> Path:
        """Return the file of a key: keys come from the storage, which must not choose files elsewhere."""
        check_key(key)
        path = self.root / key
        try:
            if path.parent.resolve().is_relative_to(self.root.resolve()) and not path.is_symlink():
                return path
        except OSError as error:
            raise explain(f"cannot find {path}", error) from error
        raise StoreFailed(f"{path} is a link to another place, or lies behind one, and is not touched")


def open_store(place: str) -> BlobStore:
    """Return the store at a folder's path or at `s3://bucket/prefix`; nothing is created or contacted yet.

    Raises:
        BadURL: `place` is of another kind, or names no bucket.
    """
    if place.startswith(S3):
        parts = urlsplit(place)
        if not parts.netloc or parts.query or parts.fragment or parts.username:
            raise BadURL(f"checkpoints need {S3}bucket or {S3}bucket/prefix, but got {mask_passwords(place)!r}")
        return BucketStore(parts.netloc, parts.path.strip("/"))
    if "://" in place:
        raise BadURL(
            f"checkpoints are kept in a folder or at {S3}bucket/prefix, but got {mask_passwords(place)!r}; name one"
        )
    return FolderStore(Path(place).expanduser())
