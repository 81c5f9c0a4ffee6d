"""Opening the storage that the settings name, the embedded server included."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from search.settings import Settings
from storage import upgrades, url
from storage.database import Database, open_database
from storage.embedded.server import EmbeddedServer
from storage.schema import VERSION
from storage.upgrades import Upgrade

_log = logging.getLogger(__name__)


@contextmanager
def server_url(settings: Settings) -> Iterator[str]:
    """The storage's URL for the length of the block; the embedded server runs at least as long.

    The storage may have tables of another version, or none.

    Raises:
        BadURL, EmbeddedServerError.
    """
    if settings.storage is not None:
        url.parse(settings.storage)
        yield settings.storage
        return
    with EmbeddedServer(settings.home) as address:
        yield address


@contextmanager
def storage_url(settings: Settings) -> Iterator[str]:
    """The storage's URL for the length of the block, as `server_url`; an embedded storage is upgraded if it is old.

    It belongs to one user, who would have to do it anyway. A storage that others use, too, is upgraded by its
    administrator, with `search storage upgrade`; until then, `open_database` refuses it.

    Raises:
        BadURL, EmbeddedServerError.
        SchemaMismatch, UpgradeRefused, StorageError: the embedded storage is old and cannot be upgraded.
    """
    with server_url(settings) as address:
        if settings.storage is None and upgrades.plan_upgrade(url.parse(address)).steps:
            done = upgrade_storage(address, settings, None)
            if done.steps:  # else another command was quicker
                _log.warning(
                    "the storage was upgraded from version %s to %s; a backup of it as it was is in %s",
                    *(done.before, done.after, done.backup),
                )
        yield address


def upgrade_storage(address: str, settings: Settings, backup_to: Path | None) -> Upgrade:
    """Upgrade the storage at `address`, after a backup: always of the embedded one, of another if there is a file.

    Raises:
        StorageError: it cannot be upgraded, or not be backed up; it is as it was.
    """
    if settings.storage is None and backup_to is None:
        folder = settings.home / "backups"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        backup_to = folder / f"before-version-{VERSION}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump"
    return upgrades.upgrade(url.parse(address), backup_to)


@contextmanager
def open_storage(settings: Settings) -> Iterator[Database]:
    """An open storage for the length of the block.

    Raises:
        StorageError: it cannot be reached, started, read or upgraded.
    """
    with storage_url(settings) as address, open_database(url.parse(address)) as database:
        yield database
