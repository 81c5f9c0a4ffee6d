"""The checkpoint that a trial resumes from, registered under the trial's lease with the hash of its bytes.

The bytes are in a store, whose files are not trusted: a file counts only if it is registered and has the registered
hash. A worker that has lost its lease may still write a file, but cannot register it.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert

from storage.connecting.statements import Statement, execute_at_once
from storage.errors import StoreFailed
from storage.leasing import leases
from storage.leasing.leases import Lease
from storage.records.blobs import BlobStore
from storage.schema import checkpoints

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY = re.compile(rf"{_UUID.pattern}/[0-9]+/[0-9]+-[0-9]+-[0-9]+")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A registered checkpoint. Training resumes with the 0-based `epoch`; `size` is in bytes."""

    trial_id: int
    epoch: int
    key: str
    sha256: str
    size: int


def make_key(study_uuid: str, trial: int, lease: Lease, epoch: int) -> str:
    """Return a new key for a checkpoint of this trial."""
    return f"{study_uuid}/{trial}/{lease.token}-{epoch}-{time.time_ns()}"


def save(
    engine: Engine,
    store: BlobStore,
    lease: Lease,
    study_id: int,
    key: str,
    epoch: int,
    content: bytes,
    *,
    ended: bool = False,
) -> None:
    """Write a checkpoint, register it, and remove the one that it replaces.

    Args:
        ended: Whether the trial has finished under `lease`, which nobody else can hold any more.

    Raises:
        StoreFailed: it could not be written; the registered one stays.
        LeaseLost: another worker has the trial; the registered one stays.
    """
    store.write(key, content)
    with engine.begin() as connection:
        if not ended:
            leases.verify(connection, lease)
        before = connection.scalar(select(checkpoints.c.key).where(checkpoints.c.trial_id == lease.trial_id))
        row = {
            "epoch": epoch,
            "key": key,
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        }
        connection.execute(
            insert(checkpoints)
            .values(trial_id=lease.trial_id, study_id=study_id, **row)
            .on_conflict_do_update(index_elements=["trial_id"], set_=row)
        )
    if before is not None and before != key:
        remove(store, before)


def find(engine: Engine, trial_id: int) -> Checkpoint | None:
    """Return the trial's registered checkpoint; None if there is none."""
    with engine.begin() as connection:
        row = connection.execute(select(checkpoints).where(checkpoints.c.trial_id == trial_id)).first()
    if row is None:
        return None
    return Checkpoint(trial_id=row.trial_id, epoch=row.epoch, key=row.key, sha256=row.sha256, size=row.size)


def load(store: BlobStore, checkpoint: Checkpoint) -> bytes:
    """Return the bytes of a checkpoint.

    Raises:
        StoreFailed: the file is missing, or its bytes are not those that were registered, or the registered key is
            none of a checkpoint.
    """
    _check_key(checkpoint.key)
    content = store.read(checkpoint.key)
    if hashlib.sha256(content).hexdigest() != checkpoint.sha256:
        raise StoreFailed(
            f"{checkpoint.key} was changed: its {len(content)} bytes are not the {checkpoint.size} that were saved"
        )
    return content


def tidy(engine: Engine, store: BlobStore, study_id: int, best: int) -> None:
    """Remove the checkpoints of finished trials, except those of the `best` completed ones.

    Raises:
        StoreFailed: one or more files could not be removed; none of them is registered any longer.
    """
    failed = None
    for key in _unregister_finished(engine, study_id, best):
        try:
            remove(store, key)
        except StoreFailed as error:
            failed = error
    if failed is not None:
        raise failed


def sweep(engine: Engine, store: BlobStore, study_id: int, study_uuid: str) -> None:
    """Remove what a study's earlier workers wrote and did not live to register, if the store can list its keys.

    Raises:
        StoreFailed: a file could not be removed, or the UUID is none.
    """
    if not _UUID.fullmatch(study_uuid):
        raise StoreFailed(f"{study_uuid[:100]!r} is not the UUID of a study; nothing was looked for under that name")
    store.tidy(study_uuid, list_keys(engine, study_id))


def remove(store: BlobStore, key: str) -> None:
    """Remove a file that was registered under this key.

    Raises:
        StoreFailed: it could not be removed, or the key is none of a checkpoint.
    """
    _check_key(key)
    store.remove(key)


def list_keys(engine: Engine, study_id: int) -> Sequence[str]:
    """Return the keys of a study's registered checkpoints."""
    with engine.begin() as connection:
        return connection.scalars(select(checkpoints.c.key).where(checkpoints.c.study_id == study_id)).all()


def _check_key(key: str) -> None:
    """Refuse a stored key that `make_key` cannot have made: other files may lie in the store's folder, too."""
    if not _KEY.fullmatch(key):
        raise StoreFailed(f"{key[:100]!r} in the storage is not the key of a checkpoint; that file was not touched")


# Of equals, the earlier trial is the better one.
_UNREGISTER_FINISHED = Statement(
    "WITH best AS (SELECT b.trial_id FROM trials b JOIN trial_values v ON v.trial_id = b.trial_id "
    "WHERE b.study_id = :study AND b.state = 'COMPLETE' ORDER BY v.value DESC, b.trial_id LIMIT :best) "
    "DELETE FROM depthsearch.checkpoints c USING trials t WHERE c.study_id = :study AND t.trial_id = c.trial_id "
    "AND t.state NOT IN ('RUNNING', 'WAITING') AND c.trial_id NOT IN (SELECT trial_id FROM best) RETURNING c.key"
)


def _unregister_finished(engine: Engine, study_id: int, best: int) -> Sequence[str]:
    return [row.key for row in execute_at_once(engine, _UNREGISTER_FINISHED, {"study": study_id, "best": best})]
