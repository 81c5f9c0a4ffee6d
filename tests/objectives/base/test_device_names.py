"""What a request for devices stands for, on a machine with two GPUs."""

from __future__ import annotations

import pytest

from objectives.base.device_names import is_uuid, match_devices
from objectives.base.errors import ObjectiveError

TWO = {"cuda:0": "GPU-aa11", "cuda:1": "MIG-ab22"}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("all", ["cuda:0", "cuda:1"]),
        ("cuda", ["cuda:0", "cuda:1"]),
        ("cuda:1 , cpu", ["cuda:1", "cpu"]),
        ("MIG-a,gpu-AA11", ["cuda:1", "cuda:0"]),
    ],
)
def test_names_and_uuids(request_: str, expected: list[str]) -> None:
    assert match_devices(request_, TWO) == expected


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("cuda:2", "this machine has no device 'cuda:2'; use cpu, cuda:0, cuda:1$"),
        ("GPU-aa12", "use cpu, cuda:0, cuda:1, or did you mean GPU-aa11"),
        ("", "no device ''"),
    ],
)
def test_others_are_refused(request_: str, words: str) -> None:
    with pytest.raises(ObjectiveError, match=words):
        match_devices(request_, TWO)


def test_without_gpus_there_is_the_cpu() -> None:
    assert match_devices("all", {}) == ["cpu"]
    with pytest.raises(ObjectiveError, match="no device 'cuda'; use cpu"):
        match_devices("cuda", {})


def test_where_uuids_are_unknown_none_matches() -> None:
    with pytest.raises(ObjectiveError, match=r"no device 'GPU-'; use cpu, cuda:0$"):
        match_devices("GPU-", {"cuda:0": ""})
    assert [is_uuid(name) for name in ("GPU-1", "mig-", "cuda:0")] == [True, True, False]
