"""A connection to the storage: one engine for Optuna's tables and ours, configured for long runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import optuna
from optuna.storages import RDBStorage
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError

from storage.errors import SchemaMismatch, Unreachable
from storage.migrations import runner
from storage.optuna_adapter import get_engine
from storage.schema import VERSION
from storage.sessions import check_places, prepare_sessions
from storage.url import mask_password

# Any constant works, as long as no other program uses it: it serializes the creation of tables and of studies.
STUDY_LOCK_KEY = 0x6465707468

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
