"""Data files of every layout, damaged in any way: data or one sentence that names the file, and no code is run."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import signal
import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from objectives.data.files import image_files
from objectives.data.files.cifar import read_batch
from objectives.data.files.errors import DataError, UnreadableData
from objectives.data.files.folders import decode_folder
from objectives.data.files.idx import read_idx
from tests.faults.damage import layouts
from tests.faults.fuzz import FUZZ, damaged, one_line
from tests.objectives.data import made

pytestmark = pytest.mark.faults

SMALL = made.part(2, 2, (6, 5, 1))
COLOUR = made.part(2, 1, (32, 32, 3))
IDX = made.idx(SMALL.images[..., 0])
# One letter for every pixel: what fails is printed.
ROWS = np.full((2, 3072), ord("A"), dtype=np.uint8)
BATCH = made.cifar_batch(ROWS.reshape(2, 32, 32, 3), COLOUR.labels)
BATCHES = (BATCH, *(pickle.dumps({"data": ROWS, "labels": [0, 1]}, protocol=number) for number in (0, 2, 4)))
# Pieces for the heads and tails of batches: between them are pixels, in which nothing can go wrong.
OPCODES = (
    b"cnumpy\nndarray\n(]}K\x00K\x01\x85\x86\x87R.bsu2Tq\x00h\x00\x93\x94N\x88\x89X\x01\x00\x00\x00aposix\nmkdir\n"
)


def _encoded(kind: str) -> bytes:
    image = Image.fromarray(COLOUR.images[0])
    buffer = io.BytesIO()
    image.convert("P" if kind == "GIF" else "RGB").save(buffer, kind)
    return buffer.getvalue()


T = TypeVar("T")
IMAGES = {kind: _encoded(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "PPM", "TIFF")}


def _read(read: Callable[[], T], path: Path) -> T | None:
    """Return what a reader returns; None if it refuses the file with a proper error. Warnings are ignored."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except DataError as error:
        one_line(error, naming=str(path))
        return None


@FUZZ
@given(
    content=st.sampled_from(sorted(IMAGES)).flatmap(lambda kind: damaged(IMAGES[kind])),
    size=st.sampled_from((None, 8)),
)
def test_a_damaged_image_is_read_or_named(content: bytes, size: int | None, tmp_path: Path) -> None:
    path = made.write_file(tmp_path / "picture.png", content)
    _read(lambda: image_files.is_grayscale(str(path)), path)
    for channels in (1, 3):
        pixels = _read(partial(image_files.read, str(path), channels, size), path)
        if pixels is not None:
            assert pixels.dtype == np.uint8
            assert (pixels.ndim, pixels.shape[2]) == (3, channels)


@settings(FUZZ, max_examples=100)
@given(content=st.sampled_from(sorted(IMAGES)).flatmap(lambda kind: damaged(IMAGES[kind])))
def test_a_folder_with_a_damaged_image_is_read_or_the_image_named(content: bytes, tmp_path: Path) -> None:
    good = made.write_file(tmp_path / "images" / "a" / "0.png", IMAGES["PNG"])
    bad = made.write_file(good.parents[1] / "b" / "1.png", content)

    def decode() -> list[object]:
        folder = decode_folder(good.parents[1], classes=None, channels=None, image_size=None)
        return list(folder.blocks)

    _read(decode, bad)


def test_what_pillow_would_give_to_another_program_is_no_image(tmp_path: Path) -> None:
    path = made.write_file(
        tmp_path / "picture.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
    )
    with pytest.raises(UnreadableData, match="cannot identify image file"):
        image_files.read(str(path), 3, None)


@FUZZ
@given(content=damaged(IDX), dimensions=st.sampled_from((1, 3)), zipped=st.booleans())
def test_a_damaged_idx_file_is_read_or_named(content: bytes, dimensions: int, zipped: bool, tmp_path: Path) -> None:
    path = made.write_file(tmp_path / ("images.gz" if zipped else "images"), content)
    array = _read(lambda: read_idx(path, dimensions=dimensions), path)
    assert array is None or (array.ndim == dimensions)


@FUZZ
@given(content=damaged(gzip.compress(IDX, mtime=0)))
def test_a_damaged_gzip_file_is_read_or_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    _read(lambda: read_idx(path, dimensions=3), path)


def test_a_small_batch_cannot_ask_for_a_large_table(tmp_path: Path) -> None:
    path = made.write_file(tmp_path / "data_batch_1", b"\x80\x02]r\x00\x00\x10\x00.")
    tracemalloc.start()
    with pytest.raises(UnreadableData, match="data_batch_1 must be a dict"):
        read_batch(path, "labels")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("layout", sorted(layouts()))
@pytest.mark.parametrize("count", [60, pytest.param(2000, marks=pytest.mark.long)])
def test_damaged_files_end_in_errors_and_never_in_a_signal(layout: str, count: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults.damage", layout, str(count), str(tmp_path / "files")]
    root = Path(__file__).parents[2]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=500, check=False)
    if ended.returncode < 0:
        pytest.fail(f"{signal.Signals(-ended.returncode).name} while reading what lies in {tmp_path / 'files'}")
    assert ended.returncode == 0, ended.stderr
    refused = int(ended.stdout.split()[2])
    assert 0 < refused < count


class Call:
    """Is pickled as a call of a function that no batch needs."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


def _rewritten(content: bytes) -> st.SearchStrategy[bytes]:
    """Draw a batch whose head or tail is overwritten with pieces of the pickle language."""
    piece = st.lists(st.sampled_from([OPCODES[k : k + 2] for k in range(len(OPCODES))]), min_size=1, max_size=4)
    where = st.one_of(st.integers(0, min(200, len(content))), st.integers(max(0, len(content) - 60), len(content)))
    return st.builds(lambda at, pieces: content[:at] + b"".join(pieces) + content[at + len(pieces) :], where, piece)


@FUZZ
@given(content=st.sampled_from(BATCHES).flatmap(lambda whole: st.one_of(damaged(whole), _rewritten(whole))))
@example(content=b"\x80\x02Q.")
@example(content=b"ca\x0bb\nc\n.")
def test_a_damaged_batch_is_read_or_named(content: bytes, tmp_path: Path) -> None:
    path = made.write_file(tmp_path / "data_batch_1", content)
    read = _read(lambda: read_batch(path, "labels"), path)
    if read is not None:
        images, labels = read
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert images.shape == (len(labels), 32, 32, 3)


@FUZZ
@given(
    function=st.sampled_from((os.system, os.mkdir, eval, exec, getattr, __import__, open, pickle.loads, np.load)),
    protocol=st.integers(0, 5),
    key=st.sampled_from(("data", "labels", "other")),
    deep=st.integers(0, 3),
)
def test_a_batch_that_asks_for_a_call_is_refused(
    function: Callable[..., object], protocol: int, key: str, deep: int, tmp_path: Path
) -> None:
    value: object = Call(function, str(tmp_path / "made"))
    for _ in range(deep):
        value = [value]
    content = pickle.dumps({"data": ROWS, "labels": [0, 1]} | {key: value}, protocol=protocol)
    path = made.write_file(tmp_path / "data_batch_1", content)
    assert _read(lambda: read_batch(path, "labels"), path) is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["data_batch_1"]
