"""What every store of checkpoints has in common: its methods, its keys, and how its failures are told."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Collection
from typing import Protocol

from storage.errors import StoreFailed

LONGEST_REASON_CHARACTERS = 300
_KEY = re.compile(r"(?!\.{1,2}(/|$))[\w.-]{1,255}(/(?!\.{1,2}(/|$))[\w.-]{1,255})*", re.ASCII)
_USER_INFO = re.compile(r"[^\s/@:]+:[^\s/@]*@")


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

    def check(self) -> None:
        """Check what a person has to correct before anything can be kept here.

        Raises:
            BadURL: something is wrong that does not pass.
        """


def check_key(key: str) -> None:
    """Refuse a key that could lead out of its store.

    Raises:
        StoreFailed: it is not words of letters, digits, dots, dashes and underscores with single slashes between.
    """
    if not _KEY.fullmatch(key):
        raise StoreFailed(f"{key[:100]!r} is not the key of a file in the store of checkpoints, and is not touched")


def check_store(store: BlobStore) -> None:
    """Write, read and remove a few bytes.

    Raises:
        StoreFailed: one of these failed, or other bytes came back.
    """
    key, content = f"check/{uuid.uuid4()}", os.urandom(16)
    store.write(key, content)
    same = store.read(key) == content
    store.remove(key)
    if not same:
        raise StoreFailed("other bytes came back than were written")


def explain(what: str, error: BaseException) -> StoreFailed:
    """Return the failure of a store, in one sentence without passwords, from an error that it met."""
    reason = " ".join(str(error).split())[:LONGEST_REASON_CHARACTERS]
    detail = error.strerror if isinstance(error, OSError) and error.strerror else reason
    return StoreFailed(f"{what}: {mask_passwords(detail) or type(error).__name__}")


def mask_passwords(text: str) -> str:
    """Return a text without the names and passwords of URLs in it."""
    return _USER_INFO.sub("***@", text)
