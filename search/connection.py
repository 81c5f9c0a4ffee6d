"""Opening the storage that the settings name, the embedded server included."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, Engine

from search.errors import UsageError
from search.settings import Settings
from storage import url
from storage.connecting.parameters import find_parameters, is_local
from storage.copying import upgrades
from storage.copying.upgrades import Upgrade
from storage.database import Database, open_database, open_for_statements
from storage.embedded.cluster import READER
from storage.embedded.server import EmbeddedServer
from storage.schema import VERSION
from storage.url import SECRET

_log = logging.getLogger(__name__)


def describe_storage(settings: Settings) -> str:
    """Return where studies are kept, without a password."""
    if settings.storage is None:
        return f"the embedded Postgres in {settings.home}"
    return url.mask_password(settings.storage)


@contextmanager
def server_url(settings: Settings) -> Iterator[str]:
    """Yield the storage's URL; the embedded server runs at least until the end of the block.

    The storage may have tables of another version, or none.

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
def storage_url(settings: Settings) -> Iterator[str]:
    """Yield the storage's URL, as `server_url`; upgrade an embedded storage first if its tables are old.

    An embedded storage is one user's own. Whether to upgrade one that several people share is its administrator's
    decision (`search storage upgrade`): `open_database` refuses it until then.

    Raises:
        BadURL, EmbeddedServerError: the URL cannot be used, or the server cannot be started.
        StorageError: the embedded storage cannot be upgraded; it is as it was.
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
    """Upgrade the storage at `address`, after a backup.

    Args:
        backup_to: The file for the backup. None means a file in the home folder for the embedded storage, and no
            backup for another.

    Raises:
        StorageError: the storage cannot be upgraded or backed up; it is as it was.
    """
    if settings.storage is None and backup_to is None:
        folder = settings.home / "backups"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        backup_to = folder / f"before-version-{VERSION}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump"
    return upgrades.upgrade(url.parse(address), backup_to)


@contextmanager
def open_for_reading(settings: Settings) -> Iterator[Database]:
    """Yield the storage as `open_storage`, and an embedded one as its role that may only read.

    The owner comes first: it creates the tables of a new home.
    """
    with storage_url(settings) as address:
        reader = owner = url.parse(address)
        if settings.storage is None:
            with open_database(owner):
                reader = owner.set(username=READER)
        with open_database(reader) as database:
            yield database


@contextmanager
def open_for_status(settings: Settings) -> Iterator[Engine]:
    """Yield the storage for what is read of it in SQL, as the state of a study is, until the end of the block.

    Raises:
        StorageError: as for `open_storage`.
    """
    with storage_url(settings) as address, open_for_statements(url.parse(address)) as engine:
        yield engine


@contextmanager
def open_storage(settings: Settings) -> Iterator[Database]:
    """Yield the storage, open until the end of the block.

    Raises:
        StorageError: it cannot be reached, started, read or upgraded.
    """
    with storage_url(settings) as address, open_database(url.parse(address)) as database:
        yield database


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where workers find the studies."""

    text: str
    """The URL without any password."""
    had_password: bool
    local: bool
    """Whether it means this machine, on whichever machine it is read."""


def find_address(text: str | None) -> Address:
    """Return the storage's address, for a file or a machine that others may read.

    Raises:
        UsageError: studies are in the embedded server, which other machines cannot reach.
        BadURL: it is no URL of a storage.
    """
    if text is None:
        raise UsageError(
            "workers elsewhere cannot reach the embedded server of this machine; name a Postgres that they reach with "
            "--storage or SEARCH_STORAGE (`search storage copy` takes a study there)"
        )
    address = url.parse(text)
    shown = _strip(address, text.partition("://")[0])
    return Address(
        text=shown,
        had_password=url.has_password(text),
        local=is_local(find_parameters(address)),
    )


def _strip(address: URL, scheme: str) -> str:
    query = {name: value for name, value in address.query.items() if not SECRET.search(name)}
    plain = URL.create(scheme, address.username, None, address.host, address.port, address.database, query)
    return plain.render_as_string(hide_password=False)
