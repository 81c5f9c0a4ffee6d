"""Opening the storage that the settings name, the embedded server included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from search.settings import Settings
from storage import url
from storage.database import Database, open_database
from storage.embedded.server import EmbeddedServer


@contextmanager
def storage_url(settings: Settings) -> Iterator[str]:
    """Yield the storage's URL; the embedded server runs at least until the end of the block.

    Raises:
        BadURL, EmbeddedServerError: the URL cannot be used, or the server cannot be started.
    """
    if settings.storage is not None:
        url.parse(settings.storage)
        yield settings.storage
        return
    with EmbeddedServer(settings.home) as address:
        yield address


@contextmanager
def open_storage(settings: Settings) -> Iterator[Database]:
    """Yield the storage, open until the end of the block.

    Raises:
        StorageError: it cannot be reached, started or read.
    """
    with storage_url(settings) as address, open_database(url.parse(address)) as database:
        yield database
