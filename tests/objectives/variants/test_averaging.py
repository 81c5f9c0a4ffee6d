"""Averaged probabilities, of snapshots and over changed images, compared with the averages computed by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from objectives.base.errors import ObjectiveError
from objectives.variants.averaging import SnapshotEnsemble, TestTimeAugmentation
from objectives.variants.snapshots import SnapshotCollector
from tests.objectives.variants.made import convolutional, dense, images, lived_in, states_equal


def probabilities(model: nn.Module, x_BCHW: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x_BCHW).double().softmax(dim=1)


def test_an_ensemble_predicts_the_mean_of_its_members_probabilities() -> None:
    members = [dense(), lived_in(dense(), seed=5), lived_in(dense(), seed=6)]
    x_BCHW = images()
    expected = torch.stack([probabilities(member, x_BCHW) for member in members]).mean(dim=0)
    assert torch.allclose(probabilities(SnapshotEnsemble(members), x_BCHW), expected, atol=1e-6)


def test_an_ensemble_of_one_network_says_what_it_lacks() -> None:
    with pytest.raises(ObjectiveError, match=r"at least two dips of the learning rate .* but this one has 1"):
        SnapshotEnsemble([dense()])


def test_snapshots_are_the_last_networks_and_do_not_train_on() -> None:
    model, collector = dense(), SnapshotCollector(2)
    expected = []
    for seed in (3, 4, 5):
        lived_in(model, seed)
        expected.append(copy.deepcopy(model))
        collector(model)
    lived_in(model, 9)
    found = collector.build(model)
    assert [states_equal(*pair) for pair in zip(found, expected[1:], strict=True)] == [True, True]


def test_views_are_the_image_its_mirror_and_both_moved_along_the_diagonal() -> None:
    model, x_BCHW = convolutional(), images(4)
    moved = x_BCHW.clone()
    moved[:, :, 1:, 1:], moved[:, :, 0, 1:], moved[:, :, 1:, 0] = (
        x_BCHW[:, :, :-1, :-1],
        x_BCHW[:, :, 0, :-1],
        x_BCHW[:, :, :-1, 0],
    )
    moved[:, :, 0, 0] = x_BCHW[:, :, 0, 0]
    back = x_BCHW.flip(2, 3).clone()  # the other way is the same seen from the opposite corner
    other = back.clone()
    other[:, :, 1:, 1:], other[:, :, 0, 1:], other[:, :, 1:, 0] = (
        back[:, :, :-1, :-1],
        back[:, :, 0, :-1],
        back[:, :, :-1, 0],
    )
    views = [x_BCHW, moved, other.flip(2, 3)]
    expected = torch.stack([probabilities(model, view) for each in views for view in (each, each.flip(3))]).mean(dim=0)
    found = probabilities(TestTimeAugmentation(model, mirror=True, shift=1), x_BCHW)
    assert torch.allclose(found, expected, atol=1e-6)
    plain = probabilities(TestTimeAugmentation(model, mirror=False, shift=1), x_BCHW)
    expected = torch.stack([probabilities(model, view) for view in views]).mean(dim=0)
    assert torch.allclose(plain, expected, atol=1e-6)


def test_without_any_change_there_is_nothing_to_average() -> None:
    with pytest.raises(ObjectiveError, match="needs mirror=1 or a shift above 0"):
        TestTimeAugmentation(dense(), mirror=False, shift=0)
