"""A connection to the storage: one engine for Optuna's tables and ours, configured for long runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError

from storage.connecting import failures, read_only
from storage.connecting.libpq import fix_defaults
from storage.connecting.protection import check_encrypted, protect
from storage.connecting.refusals import explain_refusal, find_driver_error
from storage.connecting.retry import is_outage
from storage.connecting.sessions import check_places, prepare_sessions
from storage.errors import AccessRefused, SchemaMismatch, StorageError, Unreachable
from storage.history.storage import HistoryStorage
from storage.migrations import runner
from storage.optuna_adapter import get_engine, has_newest_tables
from storage.schema import VERSION
from storage.url import mask_password

# Any constant works, as long as no other program uses it: it serializes the creation of tables and of studies.
STUDY_LOCK_KEY = 0x6465707468

# How long the creation of Optuna's tables may take.
CREATION_MILLISECONDS = 60_000

# By it, an upgrade tells connections of programs of its own version from those of older ones.
APPLICATION_NAME = f"depthsearch {VERSION}"

ENGINE_OPTIONS = {"pool_size": 2, "max_overflow": 4, "pool_recycle": 1800}

CONNECT_ARGUMENTS = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "application_name": APPLICATION_NAME,
}


@dataclass(frozen=True, kw_only=True)
class Database:
    """An open storage. Close it after use."""

    url: URL
    optuna: RDBStorage
    """Optuna's own, which reads everything again whenever it is asked."""
    history: HistoryStorage
    """The same for Optuna's samplers and pruners, and for all who look at a study more than once."""
    engine: Engine
    """For our tables."""

    def check_writable(self) -> None:
        """Refuse a storage that takes no writes, before a command that writes begins its work.

        Raises:
            ReadOnlyStorage: it does not; the message says why.
        """
        with self.engine.connect() as connection:
            read_only.check_writable(connection)

    def close(self) -> None:
        """Close every connection."""
        self.optuna.remove_session()
        self.engine.dispose()


@contextmanager
def open_database(url: URL) -> Iterator[Database]:
    """Open the storage at `url` for the length of a `with` block."""
    database = connect(url)
    try:
        yield database
    finally:
        database.close()


def connect(url: URL) -> Database:
    """Open the storage at `url` and create the tables that are missing.

    Raises:
        Unreachable: there is no server, or it takes no connection now.
        AccessRefused: it refuses this user, password or database, or a right is missing.
        BadURL: the URL has an option with an impossible value.
        SchemaMismatch: the tables belong to another version of Optuna or of this program, or Optuna's are in another
            schema than those that the search_path leads to.
        ReadOnlyStorage: tables are missing, and the storage takes no writes.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    engine = create_protected_engine(url)
    try:
        with _explaining(url):
            if not _check_tables(engine):
                _create_tables(engine, url)
            engine.dispose()  # one connection at a time: a pooler or a role may allow no more
            storage = _open_optuna_storage(url, exists=True)
    finally:
        engine.dispose()
    engine = get_engine(storage)
    _insist_on_encryption(engine, url)
    prepare_sessions(engine)
    engine.dispose()  # the connections that looked at the tables were not prepared
    return Database(url=url, optuna=storage, history=HistoryStorage(storage), engine=engine)


@contextmanager
def open_for_statements(url: URL) -> Iterator[Engine]:
    """Open the storage at `url` for statements of our own alone: Optuna's storage takes longer to open.

    Raises:
        StorageError: as for `connect`.
    """
    engine = create_protected_engine(url)
    prepare_sessions(engine)
    try:
        with _explaining(url), engine.begin() as connection:
            ready = check_places(connection) and has_newest_tables(connection)
            if ready:
                runner.prepare(connection)
        if ready:
            yield engine
            return
    finally:
        engine.dispose()
    with open_database(url) as database:
        yield database.engine


@contextmanager
def _explaining(url: URL) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, StorageInternalError) as error:
        if not isinstance(error, OperationalError) and explain_refusal(error) is None:
            raise
        raise explain(url, error) from None


def _check_tables(engine: Engine) -> bool:
    """Return whether there are tables, of this program's version and in their place."""
    with engine.begin() as connection:
        exist = check_places(connection)
        if exist:
            runner.prepare(connection)
    return exist


def _create_tables(engine: Engine, url: URL) -> None:
    """Create Optuna's tables and ours, which refer to them; commands that do so at the same time wait.

    Optuna's are created on a second connection. Where the server has none left for it, as a pooler may wait for one
    that the first holds, the server ends the first.
    """
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {CREATION_MILLISECONDS}")
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": STUDY_LOCK_KEY})
        # First: Optuna would create its tables wherever the search_path leads.
        if not check_places(connection):
            read_only.check_writable(connection)
        get_engine(_open_optuna_storage(url, exists=False)).dispose()
        runner.prepare(connection)


def _open_optuna_storage(url: URL, *, exists: bool) -> RDBStorage:
    """Return Optuna's storage; its check of the tables needs a second connection, so one that exists is asked here."""
    text_url, options = protect(url).render_as_string(hide_password=False), _choose_options(url)
    try:
        if exists:
            storage = RDBStorage(
                text_url, engine_kwargs=options, skip_compatibility_check=True, skip_table_creation=True
            )
            with get_engine(storage).connect() as connection:
                newest = has_newest_tables(connection)
            if newest or (newest is None and storage.get_current_version() == storage.get_head_version()):
                return storage
            get_engine(storage).dispose()
        return RDBStorage(text_url, engine_kwargs=options)
    except RuntimeError as error:
        raise SchemaMismatch(
            f"Optuna's tables at {mask_password(url)} do not fit the installed Optuna {optuna.__version__}: "
            f"{str(error).splitlines()[0]}; upgrade them with `optuna storage upgrade`"
        ) from None


def _choose_options(url: URL) -> dict[str, Any]:
    """Return ENGINE_OPTIONS without what the URL itself says about connections."""
    ours = {name: value for name, value in CONNECT_ARGUMENTS.items() if name not in url.query}
    return ENGINE_OPTIONS | {"connect_args": fix_defaults(url) | ours}


def create_protected_engine(url: URL) -> Engine:
    """Return an engine whose connections give no password away to another machine."""
    engine = create_engine(protect(url), **_choose_options(url))
    _insist_on_encryption(engine, url)
    return engine


def _insist_on_encryption(engine: Engine, url: URL) -> None:
    event.listen(engine, "connect", lambda connection, _: check_encrypted(connection, url))


def explain(url: URL, error: Exception) -> StorageError:
    """Return the error for a failed connection or a refused statement; its message holds no password."""
    if sentence := explain_refusal(error):
        kind = Unreachable if is_outage(error) else AccessRefused
        return kind(f"{sentence} (the storage is {mask_password(url)})")
    return failures.explain(find_driver_error(error) or error, url)
