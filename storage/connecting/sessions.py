"""What every connection to the storage must have: Optuna's tables in their place, and short idle transactions.

One that can only read learns why when it opens, to say so where a write is refused.
"""

from __future__ import annotations

import time
from typing import Any

from psycopg2 import Error
from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InvalidatePoolError

from storage.connecting import read_only
from storage.connecting.statements import POOLED
from storage.errors import SchemaMismatch

IDLE_TRANSACTION_MILLISECONDS = 15_000
"""How long a client may keep a transaction, and with it locks, open without sending a command."""

PING_AFTER_SECONDS = 1.0
"""A connection that has been idle for longer is asked for a sign of life before it is used again."""

_USED_AT = "used_at"
_READ_ONLY = "read_only"
# Prepared statements look up a few rows of large tables, whatever their parameters are.
_PLANS = "SET plan_cache_mode = force_generic_plan; SET jit = off"
_LIMIT = f"idle_in_transaction_session_timeout = {IDLE_TRANSACTION_MILLISECONDS}"

# Our tables refer to Optuna's by foreign keys, which tell where those are whatever the search_path is.
_PLACES = f"""
SELECT to_regclass('depthsearch.leases') IS NOT NULL,
    (SELECT confrelid FROM pg_constraint WHERE conrelid = to_regclass('depthsearch.leases') AND contype = 'f')
        = to_regclass('trials'),
    (SELECT nspname FROM pg_constraint JOIN pg_class c ON c.oid = confrelid JOIN pg_namespace n ON n.oid = relnamespace
        WHERE conrelid = to_regclass('depthsearch.leases') AND contype = 'f'),
    coalesce((SELECT nspname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE c.oid = to_regclass('trials')), current_schema()),
    {read_only.CAUSE}, session_user, current_database(), current_setting('default_transaction_isolation'),
    pg_backend_pid()
"""


def check_places(connection: Connection) -> bool:
    """Refuse a connection that would find other tables of Optuna's than those that our rows belong to.

    Returns:
        Whether there are tables yet, Optuna's and ours.

    Raises:
        SchemaMismatch: they are in another schema than the first that its search_path leads to, or were dropped.
    """
    row = connection.exec_driver_sql(_PLACES).one()
    _check(row)
    return bool(row[0])


def prepare_sessions(engine: Engine) -> None:
    """Check and limit every connection that the engine opens from now on."""
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _ping_idle)
    event.listen(engine, "begin", _limit_transaction)
    event.listen(engine, "handle_error", _explain_refused_write)


def _prepare_connection(connection: Any, record: Any) -> None:
    """Check where the tables are, and have the server end a transaction whose client is silent.

    A frozen or disconnected client would block everybody. Behind a connection pooler, a setting of the session would
    stay on a connection that others use, so that each transaction sets it for itself there. A connection that
    replaces a broken one may be led elsewhere, so each is checked; without a transaction that takes half the time.
    """
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(_PLACES)
        row = cursor.fetchone()
        _check(row)
        # A pooler makes up the process that it names at the start: the server's own is another one.
        record.info[POOLED] = row[-1] != connection.get_backend_pid()
        record.info[_READ_ONLY] = _find_reason(row)
        if not record.info[POOLED]:
            cursor.execute(f"SET {_LIMIT}; SET default_transaction_isolation = 'read committed'; {_PLANS}")
    connection.autocommit = False
    # Trial numbers are counted under a row lock; a stricter isolation would count an old snapshot. Where it is the
    # default, the driver need not say so each time.
    if record.info[POOLED] and row[-2] != "read committed":
        connection.isolation_level = ISOLATION_LEVEL_READ_COMMITTED


def _note_use(connection: Any, record: Any) -> None:
    record.info[_USED_AT] = time.monotonic()


def _ping_idle(connection: Any, record: Any, _: Any) -> None:
    """Replace a connection that broke while nobody used it, as all of them do when the server starts again."""
    used_at = record.info.get(_USED_AT)
    if used_at is None or time.monotonic() - used_at < PING_AFTER_SECONDS:
        return
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.autocommit = False
    except Error as error:
        raise InvalidatePoolError from error


def _limit_transaction(connection: Connection) -> None:
    driver = connection.connection.dbapi_connection
    if connection.info.get(POOLED) and driver is not None and not driver.autocommit:
        connection.exec_driver_sql(f"SET LOCAL {_LIMIT}")


def _explain_refused_write(context: ExceptionContext) -> None:
    """Note on the refusal why the connection cannot write: the error itself stays, which may be one to retry after."""
    if getattr(context.original_exception, "pgcode", None) == read_only.CODE and context.connection is not None:
        reason = context.connection.info.get(_READ_ONLY)
        if reason is not None:
            context.original_exception.add_note(reason)


def _find_reason(row: Any) -> str | None:
    """Return why a connection cannot write; None if it can."""
    *_, cause, user, database, _, _ = row
    return None if cause is None else read_only.describe(cause, user, database)


def _check(row: Any) -> None:
    exists, same, kept, found, *_ = row
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
