"""A connection to the storage: one engine for Optuna's tables and ours, configured for long runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.storages import RDBStorage
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError

from storage.errors import SchemaMismatch, Unreachable
from storage.migrations import runner
from storage.optuna_adapter import get_engine
from storage.schema import VERSION
from storage.url import mask_password

# Any constant works, as long as no other program uses it: it serializes the creation of tables and of studies.
STUDY_LOCK_KEY = 0x6465707468

IDLE_TRANSACTION_MILLISECONDS = 15_000
"""How long a client may keep a transaction, and with it locks, open without sending a command."""

_POOLED = "pooled"
_LIMIT = f"idle_in_transaction_session_timeout = {IDLE_TRANSACTION_MILLISECONDS}"

# Our tables refer to Optuna's by foreign keys, which tell where those are whatever the search_path is.
_PLACES = """
SELECT to_regclass('depthsearch.leases') IS NOT NULL,
    (SELECT confrelid FROM pg_constraint WHERE conrelid = to_regclass('depthsearch.leases') AND contype = 'f')
        = to_regclass('trials'),
    (SELECT nspname FROM pg_constraint JOIN pg_class c ON c.oid = confrelid JOIN pg_namespace n ON n.oid = relnamespace
        WHERE conrelid = to_regclass('depthsearch.leases') AND contype = 'f'),
    coalesce((SELECT nspname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE c.oid = to_regclass('trials')), current_schema()),
    pg_backend_pid()
"""

# By it, an upgrade tells connections of programs of its own version from those of older ones.
APPLICATION_NAME = f"depthsearch {VERSION}"

# Optuna gives Postgres no pre-ping: without it every worker's first call after a server restart fails.
ENGINE_OPTIONS = {
    "pool_pre_ping": True,
    "pool_size": 2,
    "max_overflow": 4,
    "pool_recycle": 1800,
    # Trial numbers are counted under a row lock; a stricter isolation would count an old snapshot.
    "isolation_level": "READ COMMITTED",
    "connect_args": {
        "connect_timeout": 10,
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "application_name": APPLICATION_NAME,
    },
}


@dataclass(frozen=True, kw_only=True)
class Database:
    """An open storage: `optuna` for Optuna's own calls, `engine` for our tables. Close it after use."""

    url: URL
    optuna: RDBStorage
    engine: Engine

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
        Unreachable: there is no server, the password is wrong, or the database does not exist.
        SchemaMismatch: the tables belong to another version of Optuna or of this program, or Optuna's are in another
            schema than those that the search_path leads to.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    engine = create_engine(url, **ENGINE_OPTIONS)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": STUDY_LOCK_KEY})
            check_places(connection)  # first: Optuna would create its tables wherever the search_path leads
            storage = _open_optuna_storage(url)
            runner.prepare(connection)
    except OperationalError as error:
        raise unreachable(url, error) from None
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise Unreachable(
            f"the user of {mask_password(url)} may not create tables there; let an owner of the database run the "
            "same command once, or GRANT CREATE on the database and its schema public"
        ) from None
    finally:
        engine.dispose()
    engine = get_engine(storage)
    prepare_sessions(engine)
    engine.dispose()  # the connections that created the tables were not prepared
    return Database(url=url, optuna=storage, engine=engine)


def _open_optuna_storage(url: URL) -> RDBStorage:
    text_url = url.render_as_string(hide_password=False)
    try:
        return RDBStorage(text_url, engine_kwargs=dict(ENGINE_OPTIONS))
    except RuntimeError as error:
        raise SchemaMismatch(
            f"Optuna's tables at {mask_password(url)} do not fit the installed Optuna {optuna.__version__}: "
            f"{str(error).splitlines()[0]}; upgrade them with `optuna storage upgrade`"
        ) from None


def unreachable(url: URL, error: SQLAlchemyError) -> Unreachable:
    """Return the error for a failed connection; its message holds no password."""
    where = mask_password(url)
    reason = str(getattr(error, "orig", error)).lower()
    if "password" in reason or "no pg_hba" in reason or "role" in reason:
        return Unreachable(
            f"the server at {where} refuses this user or password; "
            "check the user in the URL, and the password in SEARCH_STORAGE or ~/.pgpass"
        )
    if "does not exist" in reason:
        return Unreachable(
            f"the server at {where} has no database {url.database!r}; create it with `createdb {url.database}`"
        )
    cause = "the host name is unknown" if "translate" in reason else "nothing answers there"
    return Unreachable(
        f"the storage {where} cannot be reached ({cause}); check host and port, and that the server runs"
    )


def check_places(connection: Connection) -> None:
    """Refuse a connection that would find other tables of Optuna's than those that our rows belong to.

    Raises:
        SchemaMismatch: they are in another schema than the first that its search_path leads to, or were dropped.
    """
    _check(connection.exec_driver_sql(_PLACES).one())


def prepare_sessions(engine: Engine) -> None:
    """Check and limit every connection that the engine opens from now on."""
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _limit_transaction)


def _prepare_connection(connection: Any, record: Any) -> None:
    """Check where the tables are, and have the server end a transaction whose client is silent.

    A frozen or disconnected client would block everybody. Behind a connection pooler, a setting of the session would
    stay on a connection that others use, so that each transaction sets it for itself there.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PLACES)
        row = cursor.fetchone()
        _check(row)
        # A pooler makes up the process that it names at the start: the server's own is another one.
        record.info[_POOLED] = row[-1] != connection.get_backend_pid()
        if not record.info[_POOLED]:
            cursor.execute(f"SET {_LIMIT}")
    connection.commit()


def _limit_transaction(connection: Connection) -> None:
    if connection.info.get(_POOLED):
        connection.exec_driver_sql(f"SET LOCAL {_LIMIT}")


def _check(row: Any) -> None:
    exists, same, kept, found, _ = row
    if not exists:
        return
    if kept is None:
        raise SchemaMismatch(
            "Optuna's tables, which the studies of this storage belong to, were dropped here; restore a backup into "
            "an empty database with `search storage restore`, or name another database"
        )
    if not same:
        raise SchemaMismatch(_describe(kept, found))


def _describe(kept: str, found: str) -> str:
    return (
        f"the studies of this storage belong to Optuna's tables in the schema {kept!r}, and this connection would use "
        f"those of {found!r}; add options=-csearch_path%3D{kept} to the storage URL (after ? or &), or name a database "
        f"of its own for {found!r}"
    )
