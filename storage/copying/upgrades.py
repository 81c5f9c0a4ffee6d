"""Upgrade a storage whose tables were created by an older version of this program.

All steps run in one transaction, under the lock that every program takes when it connects: if the upgrade is killed,
the storage is as it was. Afterwards, older programs refuse the storage when they connect. One that is connected
already would fail in the middle of its work. The upgrade is therefore refused while one is connected, and while a
worker holds a trial or was heard from a moment ago, because a worker that has only lost its connection comes back.
The upgrade locks all of our tables while it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg2.errors import DeadlockDetected, InsufficientPrivilege, LockNotAvailable
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from storage.connecting import read_only
from storage.connecting.sessions import check_places
from storage.copying.backup import backup
from storage.database import APPLICATION_NAME, STUDY_LOCK_KEY, create_protected_engine, explain
from storage.errors import UpgradeRefused, format_command
from storage.leasing import leases, workers
from storage.migrations import runner
from storage.schema import SCHEMA, VERSION
from storage.url import mask_password

LOCK_TIMEOUT_SECONDS = 10

# Reads tables of every version that can be upgraded; a version that changes these columns must change this, too.
HOLDERS = """
SELECT s.name AS study, h.worker FROM (
    SELECT study_id, worker FROM depthsearch.leases WHERE expires_at > clock_timestamp()
    UNION
    SELECT study_id, worker FROM depthsearch.workers
    WHERE beat_at > clock_timestamp() - make_interval(secs => :seconds)
) h JOIN depthsearch.studies s USING (study_id) ORDER BY 1, 2
"""
# Before version 4, connections did not tell their version.
OLDER_SESSIONS = """
SELECT pid, coalesce(host(client_addr), 'this machine') AS place FROM pg_stat_activity
WHERE datname = current_database() AND application_name ~ '^depthsearch( |$)' AND application_name <> :own ORDER BY 1
"""
# The version first: a program that connects while the upgrade waits for the others waits, too, and is not refused. The
# rest in the order in which heartbeats, claims and checkpoints lock them, so that none of these can deadlock with it.
TABLES = """
SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname = :schema AND relkind = 'r'
ORDER BY
    array_position(ARRAY['version', 'workers', 'studies', 'leases', 'checkpoints', 'epochs'], relname::text), relname
"""


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """An upgrade of a storage, done or only planned."""

    before: int | None
    """The version of its tables before; None for a storage without any."""
    after: int = VERSION
    steps: tuple[str, ...] = ()
    """What each step does, in one sentence; none for a storage of this program's version."""
    obstacle: str | None = None
    """Why the storage cannot be upgraded at this moment; None if it can be, or need not be."""
    backup: Path | None = None
    """The file that the storage was backed up to before."""


def plan_upgrade(url: URL) -> Upgrade:
    """Return what `upgrade` would do now, and change nothing.

    Raises:
        Unreachable: the storage cannot be reached.
        SchemaMismatch: its tables are of a newer version, or too old to be upgraded.
    """
    with _locked(url) as connection:
        plan = _plan(connection)
        return replace(plan, obstacle=_find_obstacle(connection) if plan.steps else None)


def upgrade(url: URL, backup_to: Path | None = None) -> Upgrade:
    """Bring a storage's tables to this program's version, completely or not at all; do nothing if they are.

    Args:
        backup_to: The file that the storage is backed up to first, if there is something to upgrade.

    Raises:
        Unreachable: the storage cannot be reached, or takes no writes.
        SchemaMismatch: its tables are of a newer version, or too old to be upgraded.
        UpgradeRefused: an older program uses it, or the URL's user may not change its tables.
        StorageError: the backup cannot be written.
    """
    with _locked(url) as connection, _explain(url):
        plan = _plan(connection)
        if not plan.steps:
            return plan
        read_only.check_writable(connection)
        _check_unused(connection)
        if backup_to is not None:
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            backup(url.render_as_string(hide_password=False), backup_to)
        _lock_tables(connection)
        _check_unused(connection)  # once more: now nobody can take a trial
        runner.migrate(connection, plan.before)
    return replace(plan, backup=backup_to)


@contextmanager
def _locked(url: URL) -> Iterator[Connection]:
    """Yield a transaction that holds the lock which every program takes when it connects."""
    engine = create_protected_engine(url)
    try:
        try:
            connection = engine.connect()
        except OperationalError as error:
            raise explain(url, error) from None
        with connection, connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": STUDY_LOCK_KEY})
            check_places(connection)
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _explain(url: URL) -> Iterator[None]:
    """Turn a refusal of the server into one sentence."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, InsufficientPrivilege):
            raise UpgradeRefused(
                f"the user of {mask_password(url)} may not change the tables there; upgrade as the user that owns them"
            ) from None
        if isinstance(error.orig, LockNotAvailable | DeadlockDetected):
            raise UpgradeRefused(
                f"another program works with the tables of {mask_password(url)} (a backup, or a query); try again "
                "when it has ended"
            ) from None
        raise


def _plan(connection: Connection) -> Upgrade:
    found = runner.read_version(connection)
    if found is None:
        return Upgrade(before=None)
    runner.check_upgradable(found)
    return Upgrade(before=found, steps=tuple(runner.describe_steps(found)))


def _check_unused(connection: Connection) -> None:
    obstacle = _find_obstacle(connection)
    if obstacle is not None:
        raise UpgradeRefused(obstacle)


def _find_obstacle(connection: Connection) -> str | None:
    """Return which worker or connection of an older program is in the way; None if there is none."""
    for row in connection.execute(text(HOLDERS), {"seconds": leases.DEFAULT_SECONDS}):
        if not workers.is_dead(row.worker):
            return (
                f"worker {row.worker} trains study {row.study!r} with an older program, which could not continue "
                f"after an upgrade; end it with `{format_command('stop', '--study', row.study)}` of that program, or "
                "wait until its lease has expired, then try again"
            )
    connection.execute(text("SELECT pg_stat_clear_snapshot()"))
    session = connection.execute(text(OLDER_SESSIONS), {"own": APPLICATION_NAME}).first()
    if session is None:
        return None
    return (
        f"a command of an older program is connected to the storage (from {session.place}, server process "
        f"{session.pid}) and could not continue after an upgrade; end it, then try again"
    )


def _lock_tables(connection: Connection) -> None:
    names = connection.scalars(text(TABLES), {"schema": SCHEMA}).all()
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
    connection.execute(text(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE"))
