"""What a backup may hold, and which parts of it are restored: Optuna's tables and ours.

A backup is a program in SQL that runs as the user who restores it. Our own hold tables, with the types, sequences and
indexes that these need; nothing else is restored, and a file with functions, views or triggers is not one of ours.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage import optuna_adapter
from storage.errors import StorageError
from storage.schema import SCHEMA

OF_A_TABLE = ("TABLE", "TABLE DATA", "DEFAULT", "CONSTRAINT", "FK CONSTRAINT")
BESIDE_A_TABLE = ("SEQUENCE", "SEQUENCE OWNED BY", "SEQUENCE SET", "INDEX")
NEVER_RESTORED = ("ACL", "DEFAULT ACL", "COMMENT", "STATISTICS DATA", "BLOB", "BLOB METADATA", "BLOBS", "BLOB COMMENTS")
KINDS = (*OF_A_TABLE, *BESIDE_A_TABLE, *NEVER_RESTORED, "SCHEMA", "TYPE")
# A line of `pg_restore --list`: numbers, kind, schema (- for none), name, owner.
LINE = re.compile(rf"\d+; \d+ \d+ ({'|'.join(sorted(KINDS, key=len, reverse=True))}) (\S+) (\S+).*")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One object of a backup."""

    kind: str
    schema: str
    name: str
    line: str


def choose_entries(listing: str, path: Path) -> list[str]:
    """Return the lines of `pg_restore --list` that are to be restored.

    Raises:
        StorageError: the backup has none of the tables, or what none of ours has.
    """
    entries = list(_read(listing, path))
    homes = {entry.schema for entry in entries if entry.kind == "TABLE" and _is_optunas(entry)}
    for entry in entries:
        schema = entry.name if entry.kind == "SCHEMA" else entry.schema
        if schema not in {"-", "public", SCHEMA, *homes}:
            raise _refusal(path, f"a schema {schema}")
    if not homes:
        raise StorageError(f"the backup {path} has no study in it; name a file that `search storage backup` wrote")
    return [entry.line for entry in entries if _is_chosen(entry, homes)]


def _read(listing: str, path: Path) -> Iterator[Entry]:
    for line in listing.splitlines():
        if line and not line.startswith(";"):
            found = LINE.fullmatch(line)
            if found is None:
                raise _refusal(path, repr(re.sub(r"^[\d; ]*", "", line)))
            yield Entry(kind=found[1], schema=found[2], name=found[3], line=line)


def _is_chosen(entry: Entry, homes: set[str]) -> bool:
    if entry.kind in NEVER_RESTORED:
        return False
    if entry.kind == "SCHEMA":
        return entry.name in {SCHEMA, *homes} - {"public"}
    return entry.schema == SCHEMA or _is_optunas(entry)


def _is_optunas(entry: Entry) -> bool:
    tables = optuna_adapter.table_names()
    if entry.kind == "TYPE":
        return entry.name in optuna_adapter.type_names()
    if entry.kind in OF_A_TABLE:
        return entry.name in tables
    return entry.name.removeprefix("ix_").startswith(tuple(f"{table}_" for table in tables))


def _refusal(path: Path, what: str) -> StorageError:
    return StorageError(
        f"the backup {path} holds {what}, which no backup of a storage does and which may start programs; name a file "
        "that `search storage backup` wrote, or, if you trust this one, restore it with pg_restore yourself"
    )
