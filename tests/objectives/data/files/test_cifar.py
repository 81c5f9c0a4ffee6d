"""CIFAR's pickles: read as Python 2 wrote them, and never obeyed."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectives.data.files.cifar import read_batch
from objectives.data.files.errors import UnreadableData
from tests.objectives.data import made

CONTENT = made.part(2, 3, (32, 32, 3))
WHOLE = made.cifar_batch(CONTENT.images, CONTENT.labels)
ROWS = CONTENT.images.transpose(0, 3, 1, 2).reshape(6, 3072)


class Order:
    """Pickles as a request to call something."""

    def __init__(self, call: Callable[..., Any], *args: object) -> None:
        self.request = (call, args)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.request


@pytest.mark.parametrize(
    "content",
    [WHOLE, *(pickle.dumps({"data": ROWS, "labels": [0, 0, 0, 1, 1, 1]}, protocol=k) for k in (2, 3, 4))],
)
def test_a_batch_is_read_whatever_pickled_it(content: bytes, tmp_path: Path) -> None:
    images, labels = read_batch(made.write_file(tmp_path / "data_batch_1", content), "labels")
    np.testing.assert_array_equal(images, CONTENT.images)
    np.testing.assert_array_equal(labels, CONTENT.labels)


def test_a_pickle_that_would_run_code_is_refused_and_named(tmp_path: Path) -> None:
    made_by_it = tmp_path / "made by the pickle"
    content = pickle.dumps({"data": Order(os.mkdir, str(made_by_it)), "labels": []})
    path = made.write_file(tmp_path / "data_batch_1", content)
    with pytest.raises(UnreadableData, match=r"data_batch_1 .* asks for posix\.mkdir, which no CIFAR batch does"):
        read_batch(path, "labels")
    assert not made_by_it.exists()


@pytest.mark.parametrize("call", [eval, getattr, np.load, np.memmap, __import__])
def test_nothing_but_what_builds_arrays_is_allowed(call: Callable[..., Any], tmp_path: Path) -> None:
    path = made.write_file(tmp_path / "batch", pickle.dumps(Order(call, "x"), protocol=2))
    with pytest.raises(UnreadableData, match="asks for"):
        read_batch(path, "labels")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as a CIFAR batch"),
        (WHOLE[:1000], "cannot be read as a CIFAR batch"),
        (b"\x80\x02garbage", "cannot be read as a CIFAR batch"),
        (pickle.dumps([1]), "must be a dict with 'data' and 'labels'"),
        (pickle.dumps({"data": ROWS}), "must be a dict with 'data' and 'labels'"),
        (pickle.dumps({"data": ROWS[:, 1:], "labels": []}), "must be uint8 of shape (N, 3072)"),
        (pickle.dumps({"data": ROWS.astype(np.int64), "labels": []}), "must be uint8 of shape (N, 3072)"),
        (pickle.dumps({"data": b"bytes", "labels": []}), "must be uint8 of shape (N, 3072)"),
        (pickle.dumps({"data": ROWS, "labels": ["a"] * 6}), "must be a list of integers"),
    ],
)
def test_what_is_no_batch_is_refused_and_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = made.write_file(tmp_path / "data_batch_1", content)
    with pytest.raises(UnreadableData) as error:
        read_batch(path, "labels")
    assert message in str(error.value)
    assert str(path) in str(error.value)
