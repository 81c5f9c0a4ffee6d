"""One network on two devices: the gradient of the whole batch, equal networks, and a state that is that of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from objectives.core.objective import Objective
from objectives.data.batches.share import Share
from objectives.training.device_group import ALONE, DeviceGroup
from spaces import Fixed, Space
from tests.objectives.training import ranks
from tests.search.command import start_script

Found = dict[str, Any]
SECONDS = 120


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """What two ranks have found out, each in its process."""
    folder = tmp_path_factory.mktemp("ranks")
    running = [start_script(Path(ranks.__file__), str(rank), str(folder)) for rank in range(2)]
    ended = [process.communicate(timeout=SECONDS) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_a_training_on_two_devices_is_that_on_one(both: list[Found]) -> None:
    alone, found = ranks.run(ranks.PLAIN, ALONE), both[0]["plain"]
    for name, value in alone["state"].items():
        torch.testing.assert_close(found["state"][name], value, rtol=0, atol=1e-6)
    for row, expected in zip(found["rows"], alone["rows"], strict=True):
        assert row == pytest.approx(expected, abs=1e-5)
    assert found["confusion"] == alone["confusion"], "both count their share of the images"


@pytest.mark.parametrize("training", ["plain", "drawing", "resumed"])
def test_both_devices_have_the_same_network_and_curve(both: list[Found], training: str) -> None:
    first, second = (found[training] for found in both)
    assert first["rows"] == second["rows"]
    assert all(torch.equal(value, second["state"][name]) for name, value in first["state"].items())
    assert first["confusion"] == second["confusion"]


def test_the_first_devices_state_resumes_both_with_the_same_numbers(both: list[Found]) -> None:
    """With dropout, batch norm, momentum and a schedule that looks at the validation loss."""
    whole, resumed = both[0]["drawing"], both[0]["resumed"]
    assert resumed["rows"] == whole["rows"][1:]
    assert resumed["confusion"] == whole["confusion"]
    assert all(torch.equal(value, resumed["state"][name]) for name, value in whole["state"].items())


def test_each_device_draws_its_own_numbers_which_follow_from_the_step(both: list[Found]) -> None:
    (first, other, again), second = both[0]["drawn"], both[1]["drawn"]
    assert first == again
    assert len({first, other, *second}) == 4


def test_a_parameter_that_one_device_did_not_use_has_the_whole_batchs_gradient(both: list[Found]) -> None:
    assert [found["unused"].item() for found in both] == [2.0, 2.0]


def test_buffers_of_every_type_are_the_first_devices(both: list[Found]) -> None:
    flag, count, precise, half = both[1]["buffers"]
    assert (flag.tolist(), count.item()) == ([True, True, False], 2**40)
    assert torch.equal(precise, torch.full((3, 2), 0.1, dtype=torch.float64))
    assert half.tolist() == [1.5] * 3


def test_several_devices_take_no_graphs() -> None:
    group = DeviceGroup(share=Share(rank=0, ranks=2))
    with pytest.raises(ValueError, match="step=graph is for one device, but 2 train this network; use step=auto"):
        ranks.run(ranks.PLAIN, group, step_mode="graph")


def test_devices_need_examples_each() -> None:
    space = Space(depth=Fixed(2), width=Fixed(16), batch_size=Fixed(7))
    with pytest.raises(ValueError, match=r"batch_size must be at least 8 with devices=4.*, but got batch_size=7"):
        Objective(data="digits", model="mlp", devices=4, space=space)
    with pytest.raises(ValueError, match="devices must be at least 1, but got devices=0"):
        Objective(data="digits", model="mlp", devices=0, space=space)
