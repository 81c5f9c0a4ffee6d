"""Checkpoints that are damaged, foreign, missing or do not fit on the disk: the trial ends with the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import small_disk
from tests.faults.kept import keeping, notes
from tests.faults.member import Machine
from tests.faults.pool import Size, Team, on_linux, pool, undisturbed
from tests.search.command import until
from tests.storage import s3

pytestmark = [pytest.mark.faults, on_linux]

SIZE = Size(trials=2, epochs=8, width=256, depth=3)
CHECKPOINT_IN_THE_MIDDLE = """
    SELECT 1 FROM depthsearch.checkpoints JOIN trials USING (trial_id)
    WHERE state = 'RUNNING' AND epoch BETWEEN 2 AND 5
"""


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def put_another_there(path: Path) -> None:
    path.write_bytes(b"the checkpoint of some other trial")


def lose(path: Path) -> None:
    path.unlink()


def interrupt(team: Team, folder: Path) -> Path:
    """Kill a command in the middle of a trial that has a checkpoint, and return that checkpoint's file."""
    member = team.worker(machine=keeping(folder))
    until(lambda: bool(team.rows(CHECKPOINT_IN_THE_MIDDLE)), "a checkpoint in the middle of a trial")
    member.kill()
    [row] = team.rows("SELECT key FROM depthsearch.checkpoints JOIN trials USING (trial_id) WHERE state = 'RUNNING'")
    return folder / str(row.key)


def check_resumes(damage: Callable[[Path], None], reason: str, team: Team, folder: Path) -> None:
    damage(interrupt(team, folder))
    team.worker(machine=keeping(folder))
    team.end_well()
    said = "\n".join(notes(team))
    assert "epoch 0: " in said
    assert reason in said


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(flip_a_bit, "bytes are not the"),
        pytest.param(truncate, "bytes are not the", marks=pytest.mark.long),
        pytest.param(put_another_there, "bytes are not the", marks=pytest.mark.long),
        pytest.param(lose, "No such file or directory", marks=pytest.mark.long),
    ],
)
def test_a_bad_checkpoint_costs_only_its_epochs(
    damage: Callable[[Path], None], reason: str, tmp_path: Path, database_url: str, empty_database_url: str
) -> None:
    reference = undisturbed(SIZE, empty_database_url, tmp_path / "calm")
    with pool(database_url, tmp_path, SIZE) as team:
        check_resumes(damage, reason, team, tmp_path / "checkpoints")
        team.check(reference)


@pytest.mark.long
def test_machines_that_share_a_bucket_share_checkpoints(
    tmp_path: Path, database_url: str, empty_database_url: str
) -> None:
    reference = undisturbed(SIZE, empty_database_url, tmp_path / "calm")
    with s3.served() as service, pool(database_url, tmp_path, SIZE) as team:
        at = Machine(
            environment={
                **s3.ENVIRONMENT,
                "AWS_ENDPOINT_URL": service.url,
                "SEARCH_CHECKPOINT_SHARE": "1",
                "SEARCH_CHECKPOINTS": "s3://bucket/team",
            }
        )
        member = team.worker(machine=at)
        until(lambda: bool(team.rows(CHECKPOINT_IN_THE_MIDDLE)), "a checkpoint in the middle of a trial")
        member.kill()
        team.worker(machine=at)
        team.end_well()
        team.check(reference)
        said = "\n".join(notes(team))
        assert "epoch 0" not in said
        assert "epoch " in said
        [(kept,)] = team.rows("SELECT key FROM depthsearch.checkpoints")  # the best trial's network
        killed_while_writing = service.objects.keys() - {f"/bucket/team/{kept}"}
        assert len(killed_while_writing) == len(service.objects) - 1 <= 1


def test_a_full_disk_costs_only_the_checkpoints(tmp_path: Path, database_url: str, empty_database_url: str) -> None:
    reference = undisturbed(SIZE, empty_database_url, tmp_path / "calm")
    with small_disk(tmp_path / "disk", 64 * 1024) as disk, pool(database_url, tmp_path, SIZE) as team:
        member = team.worker(machine=keeping(disk))
        team.end_well()
        team.check(reference)
        assert "continues without a new checkpoint: cannot write" in member.said
        assert "No space left on device" in member.said
        assert not [path for path in disk.rglob("*") if path.is_file()]


def test_the_best_trial_keeps_its_network_and_no_other(tmp_path: Path, database_url: str) -> None:
    with pool(database_url, tmp_path, SIZE) as team:
        team.worker(machine=keeping(tmp_path / "checkpoints"))
        team.end_well()
        best = team.rows(
            "SELECT trial_id FROM trials JOIN trial_values USING (trial_id) ORDER BY value DESC, trial_id LIMIT 1"
        )
        kept = team.rows("SELECT trial_id, key FROM depthsearch.checkpoints")
        assert [row.trial_id for row in kept] == [best[0].trial_id]
        files = [path for path in (tmp_path / "checkpoints").rglob("*") if path.is_file()]
        assert files == [tmp_path / "checkpoints" / kept[0].key]
