"""What is learned from images without labels."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
import torch
from torch import Tensor, nn

from objectives.base.errors import Diverged, ObjectiveError
from objectives.reuse.pretraining import pretrain
from objectives.reuse.pretraining_tasks import Reconstruction, Rotation, rotate_quarters
from tests.objectives.reuse.made import Watching, built, digits, network, reusing


@torch.no_grad()
def _loss(model: nn.Module, head: nn.Module) -> float:
    """The mean over the validation images, which pretraining does not see."""
    model.eval()
    images = digits().validation.images(360, order_seed=0)
    return sum(float(head(model, x_BCHW)) for x_BCHW in images) / digits().validation.steps(360)


class Kept:
    """A task whose head can be looked at afterwards."""

    def __init__(self, task: type[nn.Module]) -> None:
        self._task = task
        self.head = nn.Module()

    def __call__(self, features: int, image_shape: tuple[int, int, int]) -> nn.Module:
        """Make the head and remember it."""
        self.head = self._task(features, image_shape)
        return self.head


def _learned(task: type[nn.Module], epochs: int) -> tuple[nn.Module, nn.Module]:
    model, kept = network(), Kept(task)
    pretrain(model, reusing(), kept, layers=3, epochs=epochs, rate=1e-3, batch_size=64)
    return model, kept.head


def test_an_autoencoder_learns_to_give_digits_back() -> None:
    """The mean squared error of giving back the mean image's brightness is 1: pixels are normalized."""
    first, last = (_loss(*_learned(Reconstruction, epochs)) for epochs in (1, 15))
    assert last < 0.6 * first
    assert last < 0.5


def test_rotations_are_told_apart_far_better_than_by_chance() -> None:
    model, head = _learned(Rotation, 10)
    model.eval()
    right = total = 0
    with torch.no_grad():
        for x_BCHW in digits().validation.images(120, order_seed=0):
            turned_BCHW, turns_B = rotate_quarters(x_BCHW)
            told = head.head(model.features(turned_BCHW)).argmax(1)  # type: ignore[operator]
            right += int((told == turns_B).sum())
            total += len(turns_B)
    assert right / total > 0.7  # by chance 0.25
    assert _loss(model, head) < 0.6 * math.log(4)


def test_the_reused_stages_are_those_of_the_encoder() -> None:
    """Kept whole, the encoder is as good as at the end of pretraining; a kept part is not the initial one."""
    kept = Kept(Reconstruction)
    model = network()
    pretrain(model, reusing(), kept, layers=3, epochs=5, rate=1e-3, batch_size=64)
    fresh = network()
    assert _loss(model, kept.head) < 0.5 * _loss(fresh, kept.head)


@pytest.mark.parametrize("name", ["pretrain", "auxiliary"])
def test_pretraining_sees_unlabelled_training_images_and_no_other(name: str) -> None:
    data, model = digits(20), network()
    built(name, model, reusing(data=data), pretrain_epochs=1, pretrain_batch_size=32)
    assert isinstance(model.prepare, Watching)
    seen = _contents(model.prepare.seen)
    assert len(data.train) == 20
    assert len(seen) > 1000
    assert seen <= _contents(data.unlabelled.images(64, order_seed=None))
    assert not seen & _contents(data.validation.images(64, order_seed=None))


def _contents(batches: Iterable[Tensor]) -> set[bytes]:
    """What is in each image, whichever way it is turned."""
    images = [image for x_BCHW in batches for image in x_BCHW]
    return {min(image.rot90(turns, (1, 2)).numpy().tobytes() for turns in range(4)) for image in images}


def test_turns_are_quarter_turns_each_of_a_quarter_of_the_batch() -> None:
    x_BCHW = torch.arange(4.0).view(1, 1, 2, 2).expand(6, 1, 2, 2)
    images_BCHW, turns_B = rotate_quarters(x_BCHW)
    assert turns_B.tolist() == [0, 0, 1, 1, 2, 3]
    by_hand = {0: [0, 1, 2, 3], 1: [1, 3, 0, 2], 2: [3, 2, 1, 0], 3: [2, 0, 3, 1]}
    assert [image.flatten().tolist() for image in images_BCHW] == [by_hand[turn] for turn in turns_B.tolist()]


def test_oblong_images_are_not_turned() -> None:
    with pytest.raises(ObjectiveError, match=r"needs square ones, but these are 8x12 pixels.*'pretrain'"):
        Rotation(4, (1, 8, 12))


def test_a_loss_that_is_no_number_is_a_divergence() -> None:
    model = network()
    with torch.no_grad():
        model.stages[0][0].weight.fill_(torch.nan)  # type: ignore[index]
    with pytest.raises(Diverged, match="pretraining loss became nan in pretraining epoch 0"):
        built("pretrain", model, reusing(), pretrain_epochs=2)
