"""Checkpoints that are damaged, foreign, missing or do not fit on the disk: the trial ends with the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import small_disk
from tests.faults.kept import keeping, notes
from tests.faults.member import Machine
from tests.faults.needs import need_root_and
from tests.faults.pool import STUDY, Size, Team, on_linux, pool, undisturbed
from tests.search.command import search, until
from tests.storage import s3

pytestmark = [pytest.mark.faults, on_linux]

SIZE = Size(trials=2, epochs=8, width=256, depth=3)
CHECKPOINT_IN_THE_MIDDLE = """
    SELECT 1 FROM depthsearch.checkpoints JOIN trials USING (trial_id)
    WHERE state = 'RUNNING' AND epoch BETWEEN 2 AND 5
"""
HOSTS = "SELECT DISTINCT value_json FROM trial_user_attributes WHERE key = 'host'"


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


def on(host: str, service: s3.Service, keys: s3.Keys | None = None) -> Machine:
    """Return a machine that keeps a checkpoint after every epoch in a bucket."""
    places = {"SEARCH_CHECKPOINT_SHARE": "1", "SEARCH_CHECKPOINTS": "s3://bucket/team"}
    return Machine(host=host, environment={**service.describe(keys), **places})


@pytest.mark.long
def test_a_machine_resumes_from_a_bucket_what_another_one_left(
    tmp_path: Path, database_url: str, empty_database_url: str
) -> None:
    need_root_and("unshare")
    reference = undisturbed(SIZE, empty_database_url, tmp_path / "calm")
    with s3.served() as service, pool(database_url, tmp_path, SIZE) as team:
        member = team.worker(machine=on("left", service))
        until(lambda: bool(team.rows(CHECKPOINT_IN_THE_MIDDLE)), "a checkpoint in the middle of a trial")
        member.kill()
        heir = team.worker(machine=on("right", service))
        team.end_well()
        team.check(reference)
        said = "\n".join(notes(team))
        assert "epoch 0" not in said
        assert "epoch " in said
        assert '"right"' in {row.value_json for row in team.rows(HOSTS)}
        [(kept,)] = team.rows("SELECT key FROM depthsearch.checkpoints")  # the best trial's network
        stored = service.read_all()
        killed_while_writing = stored.keys() - {f"team/{kept}"}
        assert len(killed_while_writing) == len(stored) - 1 <= 1
        assert service.owner.secret not in member.said + heir.said + read_database(team)


def read_database(team: Team) -> str:
    """Return every row of every table as text."""
    tables = "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname !~ '^(pg_|info)'"
    rows = [row for table in team.rows(tables) for row in team.rows(f"SELECT t::text FROM {table.name} AS t")]
    return "\n".join(text for (text,) in rows)


@pytest.mark.long
def test_a_bucket_that_cannot_be_used_is_said_before_a_trial_begins(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3.served() as service, pool(database_url, tmp_path, SIZE) as team:
        wrong = s3.Keys(name=service.owner.name, secret="not-its-secret")
        for keys, bucket, reason in (
            (service.owner, "nowhere", "NoSuchBucket"),
            (wrong, "bucket", "SignatureDoesNotMatch"),
            (service.guest, "bucket", "AccessDenied"),
        ):
            for name, value in {**service.describe(keys), "SEARCH_CHECKPOINTS": f"s3://{bucket}/team"}.items():
                monkeypatch.setenv(name, value)
            for command in ("run", "worker"):
                ended = search(command, "--study", STUDY, "--storage", database_url, "--device", "cpu")
                assert ended.code == 2, ended.err
                [line] = [line for line in ended.err.splitlines() if not line.startswith("note: the storage is")]
                assert line.startswith(f"error: checkpoints cannot be kept at s3://{bucket}/team: ")
                assert reason in line
                assert not any(secret in ended.err for secret in (keys.name, keys.secret))
        assert team.rows("SELECT * FROM trials") == []
        assert not any(secret in read_database(team) for secret in (wrong.name, wrong.secret, service.guest.secret))


@pytest.mark.long
def test_a_service_that_fails_costs_only_the_checkpoints(
    tmp_path: Path, database_url: str, empty_database_url: str
) -> None:
    reference = undisturbed(SIZE, empty_database_url, tmp_path / "calm")
    with s3.failing(503) as url, pool(database_url, tmp_path, SIZE) as team:
        reached = {**s3.ALONE, **s3.ALL_KEYS, "AWS_ENDPOINT_URL_S3": url, "SEARCH_CHECKPOINTS": "s3://bucket"}
        member = team.worker(machine=Machine(environment=reached))
        team.end_well()
        team.check(reference)
        assert member.said.count("no checkpoint can be kept at present") == 1
        assert "503" in member.said


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
