"""The networks' entries: their spaces, sizes, what they want of the training."""

import subprocess
import sys
from dataclasses import fields

import pytest
import torch

from objectives.base.errors import ObjectiveError
from objectives.models.catalogue import MODELS
from objectives.training.config import TrainingConfig
from spaces import Choice, Configuration, corners

BIGGEST = (3, 32, 32)


@pytest.mark.parametrize("model", MODELS)
def test_every_corner_of_the_default_space_is_a_network(model: str) -> None:
    entry = MODELS[model]
    assert {"depth", "width"} <= set(entry.space.names())
    assert set(entry.space.names()) <= {field.name for field in fields(entry.config)}
    for corner in corners(entry.space, entry.space.names()):
        config = corner.into(entry.config)
        entry.check(config, (1, 8, 8))
    narrow = corner.replace(width=2).into(entry.config)
    assert entry.build(narrow, BIGGEST, 10)(torch.randn(2, *BIGGEST)).shape == (2, 10)


@pytest.mark.parametrize(("model", "range_of_depth"), [("mlp", "1:24"), ("rnn", "1:4")])
def test_depths_are_ranges_and_no_limits(model: str, range_of_depth: str) -> None:
    entry = MODELS[model]
    assert str(entry.space.domains["depth"]) == range_of_depth
    assert len(entry.build(entry.config(depth=30, width=2), (1, 2, 2), 3).stages) == 30


@pytest.mark.parametrize("model", ["cnn", "resnet"])
def test_images_too_small_are_refused_before_anything_is_built(model: str) -> None:
    entry = MODELS[model]
    config = entry.config(depth=4, width=4, pool_rounds=4)
    entry.check(config, (1, 16, 20))
    with pytest.raises(ObjectiveError, match=r"pool_rounds=4 is too much for 8x20 .* pool_rounds=3 at most"):
        entry.check(config, (1, 8, 20))
    assert set(entry.sizes) == {"depth", "pool_rounds", "whitening"}


@pytest.mark.parametrize("model", ["mlp", "rnn"])
def test_images_of_any_size_will_do(model: str) -> None:
    entry = MODELS[model]
    entry.check(entry.config(depth=9, width=4), (1, 1, 1))
    assert entry.sizes == ()
    assert entry.build(entry.config(depth=1, width=4), (1, 1, 1), 3)(torch.randn(2, 1, 1, 1)).shape == (2, 3)


@pytest.mark.parametrize("model", MODELS)
def test_what_a_network_wants_of_the_training_is_a_field_of_it(model: str) -> None:
    wanted = Configuration(MODELS[model].defaults)
    training = wanted.into(TrainingConfig)
    assert all(getattr(training, name) == value for name, value in wanted.items())


def test_recurrent_networks_clip_unless_told_otherwise() -> None:
    assert MODELS["rnn"].defaults == {"clipping": Choice("clip_norm", {"max_norm": 1.0})}
    assert all(not entry.defaults for model, entry in MODELS.items() if model != "rnn")


def test_reading_the_registries_does_not_import_torch() -> None:
    code = (
        "import sys, objectives.models.catalogue, objectives.models.activations, objectives.models.initializers, "
        "objectives.models.normalizations; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
