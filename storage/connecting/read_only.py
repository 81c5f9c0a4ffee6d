"""Why a storage takes no writes, in one sentence with a remedy: a standby, or who made transactions read-only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from storage.errors import ReadOnlyStorage

CODE = "25006"
"""The SQLSTATE of a refused write."""

# The view pg_settings is costly, and read only where the setting is on.
CAUSE = """
CASE WHEN pg_is_in_recovery() THEN 'standby'
    WHEN current_setting('default_transaction_read_only')::boolean
    THEN (SELECT source FROM pg_settings WHERE name = 'default_transaction_read_only') END
"""
"""SQL that yields why a connection cannot write, as a word; NULL if it can."""

_SETTING = "default_transaction_read_only"
_OF_ROLE = (
    "the role {user!r} may only read (its {setting} is on); name a role in the URL that may write, such as the "
    "database's owner"
)
_OF_SERVER = (
    "the server takes no writes (its {setting} is on, as while it is maintained or its disk is full); have it switched "
    "off, or wait until it is"
)
_SENTENCES = {
    "standby": "the server is a standby, which only repeats what its primary writes; name the primary in the URL or, "
    "if the URL lists both, add target_session_attrs=read-write to it",
    "user": _OF_ROLE,
    "database user": _OF_ROLE,
    "database": "the database {database!r} is set to be read (its {setting} is on); have its owner run ALTER DATABASE "
    '"{database}" RESET {setting}, or name another one',
    "client": "the URL, its service or PGOPTIONS sets {setting}; remove it there",
}


def check_writable(connection: Connection) -> None:
    """Refuse a connection that can only read.

    Raises:
        ReadOnlyStorage: it can; the message says why.
    """
    row = connection.exec_driver_sql(f"SELECT {CAUSE}, session_user, current_database()").one()
    if row[0] is not None:
        raise ReadOnlyStorage(describe(*row))


def describe(cause: Any, user: str, database: str) -> str:
    """Return the sentence for a cause that `CAUSE` has found."""
    sentence = _SENTENCES.get(cause, _OF_SERVER)
    return f"the storage is read-only: {sentence.format(user=user, database=database, setting=_SETTING)}"
