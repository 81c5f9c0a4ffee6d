"""Registered checkpoints: fenced by the lease, known by their hash, removed when they are over."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import Trial, TrialState
from sqlalchemy import update

from storage.database import Database
from storage.errors import LeaseLost, StoreFailed
from storage.leasing import leases
from storage.leasing.fencing import LeaseFence
from storage.leasing.leases import Lease
from storage.records import checkpoints
from storage.records.blob_stores import FolderStore
from storage.records.studies import StudyRecord
from storage.schema import checkpoints as table

LONG = 3600.0
A, B, C = (f"00000000-0000-4000-8000-000000000000/0/1-{epoch}-5" for epoch in range(3))


class Scene:
    """A study, a folder, and a worker that takes trials."""

    def __init__(self, database: Database, record: StudyRecord, folder: Path) -> None:
        self.engine, self.record, self.store = database.engine, record, FolderStore(folder)
        self.fence = LeaseFence(database.history, "a", LONG)
        self.study = optuna.load_study(study_name=record.name, storage=database.optuna)

    def ask(self) -> tuple[Trial, Lease]:
        with self.fence.claiming():
            trial = self.study.ask()
        assert self.fence.lease is not None
        return trial, self.fence.lease

    def save(self, lease: Lease, key: str, content: bytes = b"state", *, epoch: int = 1, ended: bool = False) -> None:
        checkpoints.save(self.engine, self.store, lease, self.record.study_id, key, epoch, content, ended=ended)

    def files(self) -> list[str]:
        return sorted(p.relative_to(self.store.root).as_posix() for p in self.store.root.rglob("*") if p.is_file())


@pytest.fixture
def scene(database: Database, record: StudyRecord, tmp_path: Path) -> Scene:
    return Scene(database, record, tmp_path / "checkpoints")


def test_the_last_one_counts_and_the_one_before_goes(scene: Scene) -> None:
    trial, lease = scene.ask()
    assert checkpoints.find(scene.engine, trial._trial_id) is None
    scene.save(lease, A, b"first")
    scene.save(lease, B, b"second", epoch=4)
    found = checkpoints.find(scene.engine, trial._trial_id)
    assert found is not None
    assert (found.key, found.epoch, found.size) == (B, 4, 6)
    assert checkpoints.load(scene.store, found) == b"second"
    assert scene.files() == [B]
    assert checkpoints.list_keys(scene.engine, scene.record.study_id) == [B]


def test_a_lost_lease_registers_nothing_and_removes_nothing(scene: Scene) -> None:
    trial, lease = scene.ask()
    scene.save(lease, A, b"first")
    leases.release(scene.engine, lease)
    taken = leases.take_over(scene.engine, scene.record.study_id, "b", LONG)
    assert taken is not None
    scene.save(taken, B, b"the next holder's")
    with pytest.raises(LeaseLost):
        scene.save(lease, C, b"the sleeper's")
    found = checkpoints.find(scene.engine, trial._trial_id)
    assert found is not None
    assert checkpoints.load(scene.store, found) == b"the next holder's"


def test_other_bytes_than_were_saved_are_refused(scene: Scene) -> None:
    trial, lease = scene.ask()
    content = bytes(range(200))
    scene.save(lease, A, content)
    found = checkpoints.find(scene.engine, trial._trial_id)
    assert found is not None
    flipped = bytearray(content)
    flipped[100] ^= 1
    for other in (content[:-1], b"", bytes(flipped), b"a foreign checkpoint"):
        scene.store.write(A, other)
        with pytest.raises(StoreFailed, match=f"{A} was changed: its {len(other)} bytes are not the 200 that"):
            checkpoints.load(scene.store, found)
    scene.store.remove(A)
    with pytest.raises(StoreFailed, match="No such file"):
        checkpoints.load(scene.store, found)


def test_a_store_that_fails_keeps_what_was_registered(scene: Scene) -> None:
    trial, lease = scene.ask()
    scene.save(lease, A, b"first")
    blocked = scene.store.root / "blocked"
    blocked.write_bytes(b"a file where a folder should be")
    with pytest.raises(StoreFailed):
        scene.save(lease, "blocked/b", b"second")
    found = checkpoints.find(scene.engine, trial._trial_id)
    assert found is not None
    assert checkpoints.load(scene.store, found) == b"first"


def test_finished_trials_go_but_for_the_best(scene: Scene) -> None:
    ended = {A: 0.5, B: 0.9, C: 0.9}
    for name, value in ended.items():
        trial, lease = scene.ask()
        scene.study.tell(trial, value, state=TrialState.COMPLETE)
        scene.save(lease, name, ended=True)
    checkpoints.tidy(scene.engine, scene.store, scene.record.study_id, best=3)
    assert scene.files() == [A, B, C]
    checkpoints.tidy(scene.engine, scene.store, scene.record.study_id, best=1)
    assert scene.files() == [B]
    checkpoints.tidy(scene.engine, scene.store, scene.record.study_id, best=0)
    assert scene.files() == []
    assert checkpoints.list_keys(scene.engine, scene.record.study_id) == []


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.FAIL])
def test_a_trial_that_did_not_complete_keeps_nothing(scene: Scene, state: TrialState) -> None:
    trial, lease = scene.ask()
    scene.save(lease, A)
    checkpoints.tidy(scene.engine, scene.store, scene.record.study_id, best=9)
    assert scene.files() == [A]
    scene.study.tell(trial, state=state)
    checkpoints.tidy(scene.engine, scene.store, scene.record.study_id, best=9)
    assert scene.files() == []


def test_how_often_it_hung_is_told_to_the_next_holder(scene: Scene) -> None:
    _, lease = scene.ask()
    for hung in (True, False, True):
        leases.release(scene.engine, lease, hung=hung)
        taken = leases.take_over(scene.engine, scene.record.study_id, "b", LONG)
        assert taken is not None
        leases.release(scene.engine, lease, hung=True)  # the lease is another's: it counts nothing
        lease = taken
    assert (lease.hangs, lease.token) == (2, 4)


@pytest.mark.parametrize("key", ["{outside}/precious", "../precious", "notes/of/a-user"])
def test_a_stored_key_that_is_none_of_a_checkpoint_is_neither_read_nor_removed(
    key: str, scene: Scene, tmp_path: Path
) -> None:
    key = key.format(outside=tmp_path)
    victim = scene.store.root / key
    victim.parent.mkdir(parents=True, exist_ok=True)
    victim.write_bytes(b"precious")
    trial, lease = scene.ask()
    scene.save(lease, A)
    with scene.engine.begin() as connection:
        connection.execute(update(table).values(key=key))
    found = checkpoints.find(scene.engine, trial._trial_id)
    assert found is not None
    with pytest.raises(StoreFailed, match="is not the key of a checkpoint; that file was not touched"):
        checkpoints.load(scene.store, found)
    scene.study.tell(trial, state=TrialState.PRUNED)
    with pytest.raises(StoreFailed, match="is not the key of a checkpoint; that file was not touched"):
        checkpoints.tidy(scene.engine, scene.store, scene.record.study_id, best=0)
    with pytest.raises(StoreFailed, match="is not the UUID of a study"):
        checkpoints.sweep(scene.engine, scene.store, scene.record.study_id, str(victim.parent))
    assert victim.read_bytes() == b"precious"
