"""IDX files, whole and broken."""

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from objectives.data.files.errors import UnreadableData
from objectives.data.files.idx import read_idx
from tests.objectives.data import made

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
WHOLE = made.idx(ARRAY)
COMPRESSED = gzip.compress(WHOLE, mtime=0)  # without the time of day, which the names of the tests would carry


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_plain_and_gzipped_files_are_read(name: str, tmp_path: Path) -> None:
    path = made.write_file(tmp_path / name, WHOLE)
    np.testing.assert_array_equal(read_idx(path, dimensions=3), ARRAY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with 0x;"),
        (WHOLE[:10], "must start with 0x00000803"),
        (b"\x01" + WHOLE[1:], "starts with 0x01000803"),
        (WHOLE[:2] + b"\x0d" + WHOLE[3:], "must start with 0x00000803"),
        (made.idx(ARRAY[0]), "starts with 0x00000802"),
        (WHOLE[:-1], "must have 40 bytes for the shape (2, 3, 4) that it declares, but has 39"),
        (WHOLE + b"\0", "must have 40 bytes for the shape (2, 3, 4) that it declares, but has more"),
        (WHOLE[:4] + b"\xff" * 12 + WHOLE[16:], "must have 79,228,162,458,924,105,385,300,197,391 bytes"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = made.write_file(tmp_path / "images", content)
    with pytest.raises(UnreadableData) as error:
        read_idx(path, dimensions=3)
    assert message in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not gzip", COMPRESSED[:-9], COMPRESSED[:-1]])
def test_a_broken_gzip_stream_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(UnreadableData, match=r"images\.gz"):
        read_idx(path, dimensions=3)


@pytest.mark.parametrize(
    ("declared", "found"), [((2, 3, 4), "40 bytes for the shape (2, 3, 4)"), ((2**32 - 1,) * 3, "at most ")]
)
def test_a_gzip_file_is_unpacked_no_further_than_its_header_declares(
    declared: tuple[int, int, int], found: str, tmp_path: Path
) -> None:
    path = tmp_path / "images.gz"
    header = WHOLE[:4] + np.array(declared, dtype=">u4").tobytes()
    path.write_bytes(gzip.compress(header + bytes(100 << 20), 1))
    tracemalloc.start()
    with pytest.raises(UnreadableData) as error:
        read_idx(path, dimensions=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found in str(error.value)
    assert peak < 1 << 20


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match="nowhere cannot be read"):
        read_idx(tmp_path / "nowhere", dimensions=1)
