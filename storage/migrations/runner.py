"""Create our tables, check their version and bring them to the newest one, always in the caller's transaction.

Alembic keeps its own version in `depthsearch.alembic_version`. The table `depthsearch.version` holds the same number
for programs of any version, the first one included, which knew nothing of alembic: each refuses a number other than
its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, inspect, select, text, update

from storage.errors import SchemaMismatch
from storage.schema import SCHEMA, VERSION, version

if TYPE_CHECKING:  # only what upgrades or creates tables imports alembic, which takes a tenth of a second
    from alembic.script import ScriptDirectory

OLDEST = 3
"""The oldest version that can be upgraded."""


def read_version(connection: Connection) -> int | None:
    """Return the version of the tables; None if there are none."""
    if not inspect(connection).has_table(version.name, schema=SCHEMA):
        return None
    found: int | None = connection.scalar(select(func.max(version.c.version)))
    return found


def prepare(connection: Connection) -> None:
    """Create our schema and tables if there are none, and check that they are of this program's version.

    Raises:
        SchemaMismatch: they are of another version.
    """
    found = read_version(connection)
    if found is None:
        migrate(connection, None)
        return
    check_upgradable(found)
    if found < VERSION:
        raise SchemaMismatch(
            f"this storage has tables of version {found}, and this program works with version {VERSION}; ask its "
            "administrator to run `search storage upgrade` (with --check, it only tells what it would do)"
        )


def check_upgradable(found: int) -> None:
    """Refuse a storage that this program can neither use nor upgrade.

    Raises:
        SchemaMismatch: its tables are of a newer version, or too old.
    """
    if found > VERSION:
        raise SchemaMismatch(
            f"this storage has tables of version {found}, and this program knows versions up to {VERSION}; install "
            "the newer depthsearch that upgraded it (`pip install --upgrade depthsearch`), or name another storage"
        )
    if found < OLDEST:
        raise SchemaMismatch(
            f"this storage has tables of version {found}, and the oldest that can be upgraded is {OLDEST}; use the "
            "depthsearch that made it, or name another storage"
        )


def describe_steps(found: int) -> list[str]:
    """Return what each step from a version to this program's does, the first step first.

    That is the first line of its script, as a part of a sentence.
    """
    steps = reversed(list(_open_scripts().iterate_revisions("head", str(found))))
    return [f"version {step.revision}: {step.doc[0].lower()}{step.doc[1:].rstrip('.')}" for step in steps]


def migrate(connection: Connection, found: int | None) -> None:
    """Run every script from a version (None: from nothing) to this program's, in the caller's transaction."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    if found is None and not inspect(connection).has_schema(SCHEMA):
        # An administrator may have created the schema for users who lack the right to do so.
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    scripts = _open_scripts()
    context = MigrationContext.configure(
        connection,
        opts={"version_table_schema": SCHEMA, "fn": lambda heads, _: scripts._upgrade_revs("head", heads)},
    )
    if found is not None and not context.get_current_heads():  # version 3, which alembic did not make
        context.stamp(scripts, str(found))
    # Given to each script, not through alembic's module `op`: that one is shared by all threads of a process.
    context.run_migrations(op=Operations(context))
    connection.execute(update(version).values(version=VERSION))


def _open_scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(Path(__file__).parent))
