"""The whitening layer against covariances that numpy computes in float64, and in a training."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.models.whitening import EPSILON, PatchWhitening, compute_patch_moments, compute_whitening
from spaces import Choice, Configuration, Fixed, Space
from tests.objectives.models.made import layers, network
from tests.objectives.training.made import Curve, StoppingCallback, digits, run_to_the_end, trained


def _images(count: int = 40) -> torch.Tensor:
    """Images whose neighbouring pixels and channels depend on each other, with a mean that is not zero."""
    rough_BCHW = torch.randn(count, 3, 13, 12, generator=torch.Generator().manual_seed(3))
    mixed_BCHW = torch.einsum("dc,bchw->bdhw", torch.tensor([[1.0, 0.5, 0], [0, 1, 0.5], [0.2, 0, 1]]), rough_BCHW)
    return nn.functional.avg_pool2d(mixed_BCHW, 3, stride=1) * 4 + 1


def _patches(images_BCHW: torch.Tensor, side: int) -> np.ndarray:
    """Every patch as a row, cut out one by one."""
    array = images_BCHW.double().numpy()
    _, _, height, width = array.shape
    places = [(y, x) for y in range(height - side + 1) for x in range(width - side + 1)]
    return np.concatenate([array[:, :, y : y + side, x : x + side].reshape(len(array), -1) for y, x in places])


@pytest.mark.parametrize("side", [2, 3])
def test_whitened_patches_have_the_identity_for_covariance(side: int) -> None:
    patches_NP = _patches(_images(), side)
    covariance_PP, mean_P = compute_patch_moments(_images().split(7), side)
    np.testing.assert_allclose(covariance_PP.numpy(), np.cov(patches_NP.T, bias=True), atol=1e-10)
    np.testing.assert_allclose(mean_P.numpy(), patches_NP.mean(0), atol=1e-10)
    matrix_PP, _ = compute_whitening(covariance_PP, mean_P, epsilon=0.0)
    whitened_NP = (patches_NP - mean_P.numpy()) @ matrix_PP.numpy().T
    assert np.abs(whitened_NP.mean(0)).max() < 1e-9
    np.testing.assert_allclose(np.cov(whitened_NP.T, bias=True), np.eye(3 * side**2), atol=1e-9)


@pytest.mark.parametrize("side", [2, 3])
def test_the_layers_outputs_are_whitened_values_and_their_negatives(side: int) -> None:
    layer = PatchWhitening(3, side).double()
    layer.fit([_images().double()])
    out_BCHW = layer(_images().double())
    assert out_BCHW.shape[2:] == _images().shape[2:]
    inner = slice(1, -1)  # within the border that the padding reaches
    values_NC = out_BCHW[:, :, inner, inner].permute(0, 2, 3, 1).flatten(0, 2)
    half = 3 * side**2
    torch.testing.assert_close(values_NC[:, half:], -values_NC[:, :half])
    variances = np.linalg.eigvalsh(np.cov(_patches(_images(), side).T, bias=True))[::-1]
    whitened = np.cov(values_NC[:, :half].numpy().T, bias=True)
    # All patches of the images, without those at the border: nearly the covariance that is expected of all.
    expected = np.diag(variances / (variances + EPSILON))
    np.testing.assert_allclose(whitened, expected, atol=0.25)
    assert np.abs(whitened - expected).mean() < 0.03


def test_no_more_images_are_read_than_its_statistics_need() -> None:
    read = []

    def batches() -> Iterator[torch.Tensor]:
        for number in range(50):
            read.append(number)
            yield torch.randn(100, 1, 32, 32)

    compute_patch_moments(batches(), 2)
    assert len(read) == math.ceil(1_000_000 / (100 * 31 * 31))


def test_directions_without_variance_stay_quiet() -> None:
    """A grey image as three equal channels has no variance but in one."""
    grey_BCHW = torch.randn(50, 1, 9, 9).expand(-1, 3, -1, -1)
    layer = PatchWhitening(3, 2)
    layer.fit([grey_BCHW])
    out_BCHW = layer(grey_BCHW)[:, :12, :-1, :-1]
    assert out_BCHW.isfinite().all()
    variances = out_BCHW.var((0, 2, 3))
    assert (variances[:4] - 1).abs().max() < 0.1
    assert variances[4:].max() < 0.01


def test_before_it_is_fitted_it_cuts_out_patches() -> None:
    x_BCHW = _images()
    out_BCHW = PatchWhitening(3, 2)(x_BCHW)
    assert torch.equal(out_BCHW[5, :12, 4, 6], x_BCHW[5, :, 4:6, 6:8].flatten())


@pytest.mark.parametrize("activation", ["gelu", "swiglu"])
@pytest.mark.parametrize("model", ["cnn", "resnet"])
def test_it_is_in_front_of_the_first_convolution_with_an_activation(model: str, activation: str) -> None:
    made = network(model, (3, 8, 8), whitening=2, activation=activation)
    names = [name for name, _ in made.stages[0].named_children()]
    assert names[:3] == ["whitening", "whitening_activation", "0"]
    first = next(module for module in made.modules() if isinstance(module, nn.Conv2d))
    assert first.in_channels == 24
    assert made.stages[0].whitening.weight.shape == (24 if activation == "gelu" else 48, 3, 2, 2)  # type: ignore[union-attr]
    assert len(made.stages) == 3
    assert layers(network(model, (3, 8, 8)).stages[0])[0] is not None


CONFIG = Configuration(
    {
        "depth": 2,
        "width": 4,
        "pool_rounds": 1,
        "whitening": 3,
        "optimizer": Choice("adamw", {"learning_rate": 0.01, "weight_decay": 0.1}),
        "max_norm": 0.5,
        "l2": 1e-3,
        "batch_size": 256,
    }
)
OBJECTIVE = Objective(data="digits", model="cnn", space=Space(depth=Fixed(2), width=Fixed(4), pool_rounds=Fixed(1)))


def test_training_images_decide_it_and_training_leaves_it_alone() -> None:
    """Not the validation images; neither decay, penalty, constraint nor a resumed training changes it."""
    whole, curve = trained(OBJECTIVE, CONFIG, epochs=2)
    expected = PatchWhitening(1, 3)
    expected.fit(digits().train.images(100, order_seed=None))
    found = whole.stages[0].whitening  # type: ignore[union-attr, index]
    torch.testing.assert_close(found.weight, expected.weight)  # type: ignore[union-attr]
    callback = StoppingCallback(3, 6)
    report = Curve()
    resumed = run_to_the_end(lambda: train(OBJECTIVE, CONFIG, digits(), report, epochs=2, seed=7, callback=callback))
    assert len(callback.states) == 2
    assert all(map(torch.equal, resumed.state_dict().values(), whole.state_dict().values()))
    assert curve.of("train_loss")[1] < curve.of("train_loss")[0]


def test_it_is_for_convolutional_networks_of_plain_inputs() -> None:
    space = Space(depth=Fixed(2), width=Fixed(4), pool_rounds=Fixed(1), whitening=Fixed(2))
    with pytest.raises(ObjectiveError, match=r"regularizer 'whitening' needs input_norm None, but .* batch_norm"):
        Objective(data="digits", model="cnn", space=space.replace(input_norm=Fixed("batch_norm")))
    with pytest.raises(ObjectiveError, match="whitening must be one of 0,2,3, but got 5"):
        network("cnn", whitening=5)
    with pytest.raises(ObjectiveError, match="whitening=3 takes patches of 3x3 pixels, more than 2x9 images have; use"):
        Objective(data="digits", model="cnn", space=space.replace(whitening=Fixed(3))).check_images((1, 2, 9))
    with pytest.raises(ObjectiveError, match="neither model 'mlp' nor the training reads 'whitening'"):
        Objective(data="digits", model="mlp", space=Space(depth=Fixed(1), width=Fixed(4), whitening=Fixed(2)))
