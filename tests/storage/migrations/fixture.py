"""A storage of version 3, as the program of that version left it: see data/README.md."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path
from typing import Any

from tests.conftest import execute

DATA = Path(__file__).parent / "data"
EXPECTED: dict[str, Any] = json.loads((DATA / "expected.json").read_text())
HALF_DONE, SCORED = "half-done", "scored"

COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE c.relnamespace = 'depthsearch'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'depthsearch'::regnamespace AND contype <> 'n'
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'depthsearch'"
SEQUENCES = "SELECT sequencename, data_type::text FROM pg_sequences WHERE schemaname = 'depthsearch'"


def load(address: str) -> None:
    """Read the storage into an empty database; its worker, which ran on another machine, is known to be dead."""
    execute(address, gzip.decompress((DATA / "storage.sql.gz").read_bytes()).decode())
    execute(address, "UPDATE depthsearch.leases SET expires_at = '-infinity'")


def unpack_checkpoints(folder: Path) -> None:
    """Put the checkpoints that the storage names into a folder."""
    with tarfile.open(DATA / "checkpoints.tar.gz") as archive:
        # Python 3.11.2 has no filter yet, and Python 3.14 wants one.
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))


def describe_tables(address: str) -> dict[str, set[tuple[object, ...]]]:
    """Return everything that makes our tables: columns, types, defaults, constraints, indexes and sequences."""
    queries = {"columns": COLUMNS, "constraints": CONSTRAINTS, "indexes": INDEXES, "sequences": SEQUENCES}
    return {name: set(execute(address, query)) for name, query in queries.items()}


def count_rows(address: str) -> dict[str, int]:
    """Return how many rows each table of the storage has that the expected one had, too."""
    return {name: int(str(execute(address, f"SELECT count(*) FROM {name}")[0][0])) for name in EXPECTED["rows"]}
