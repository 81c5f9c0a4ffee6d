"""Several processes at once, processes that die, disks that are full: the cache is whole or not there."""

import multiprocessing
import os
import resource
import signal
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest

from objectives.data.cache import check_space, prepare
from objectives.data.files.decoded import Decoded
from objectives.data.files.errors import CacheError, DataError
from objectives.data.files.prepared import Prepared
from tests.objectives.data import made

SPAWN = multiprocessing.get_context("spawn")


def prepare_at_once(mine: Path, cache_dir: Path, barrier: Barrier, results: "multiprocessing.Queue[object]") -> None:
    barrier.wait()
    count = made.Count()
    results.put((prepare("mine", mine, cache_dir, progress=count), len(count.calls)))


def test_four_processes_at_once_decode_once(mine: Path, cache_dir: Path) -> None:
    barrier, results = SPAWN.Barrier(4), SPAWN.Queue()
    processes = [SPAWN.Process(target=prepare_at_once, args=(mine, cache_dir, barrier, results)) for _ in range(4)]
    for process in processes:
        process.start()
    answers: list[tuple[Prepared, int]] = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sum(decodes for _, decodes in answers) == 1
    assert {prepared for prepared, _ in answers} == {prepare("mine", mine, cache_dir)}
    assert [path.name for path in (cache_dir / "data").iterdir() if path.suffix == ".part"] == []


def die(done: int, total: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def prepare_and_die(mine: Path, cache_dir: Path) -> None:
    prepare("mine", mine, cache_dir, progress=die)


def test_what_a_killed_process_left_is_removed_and_not_believed(
    mine: Path, cache_dir: Path, mine_content: made.Part
) -> None:
    process = SPAWN.Process(target=prepare_and_die, args=(mine, cache_dir))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(list((cache_dir / "data").glob(".*.part"))) == 1
    np.testing.assert_array_equal(prepare("mine", mine, cache_dir).images(), mine_content.images)
    assert list((cache_dir / "data").glob(".*.part")) == []


def prepare_on_a_full_disk(mine: Path, cache_dir: Path, results: "multiprocessing.Queue[object]") -> None:
    # A limit on the size of files fails in the middle of a write, as a full disk does.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
    try:
        prepare("mine", mine, cache_dir)
    except DataError as error:
        results.put(error)


def test_a_disk_that_fills_up_is_one_sentence_and_leaves_nothing(mine: Path, cache_dir: Path) -> None:
    results = SPAWN.Queue()
    process = SPAWN.Process(target=prepare_on_a_full_disk, args=(mine, cache_dir, results))
    process.start()
    error = results.get(timeout=60)
    process.join()
    assert isinstance(error, CacheError)
    assert str(error) == (
        f"the decoded copy of mine cannot be written to {cache_dir} (File too large); free space there, or use another "
        "cache folder"
    )
    assert list((cache_dir / "data").glob(".*.part")) == []
    assert prepare("mine", mine, cache_dir).examples == 12


def test_a_cache_that_cannot_be_written_is_one_sentence(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match=r"cannot be written to .*/file/cache \(Not a directory\)"):
        prepare("mine", mine, tmp_path / "file" / "cache")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_cache_is_one_sentence(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    with pytest.raises(CacheError, match="Permission denied"):
        prepare("mine", mine, tmp_path / "cache")


def announced(side: int) -> Decoded:
    """Return two images of this height and width, which are never read."""
    labels = np.array([0, 1])
    return Decoded(labels=labels, classes=("a", "b"), height=side, width=side, channels=3, blocks=iter(()))


def test_images_that_do_not_fit_are_refused_before_decoding(tmp_path: Path) -> None:
    check_space(tmp_path, announced(8))
    with pytest.raises(CacheError, match=rf"need 5,722,\d+ MiB under {tmp_path}, but .* MiB are free"):
        check_space(tmp_path, announced(10**6))
