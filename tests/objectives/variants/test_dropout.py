"""Monte Carlo dropout against its definition, with the samples drawn by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from objectives.base.errors import ObjectiveError
from objectives.variants.dropout import McDropout
from tests.objectives.variants.made import convolutional, dense, images, states_equal

SAMPLES = 7


def by_hand(model: nn.Module, x_BCHW: Tensor, seed: int) -> Tensor:
    """The logits of each sample, (samples, B, K): dropout on, everything else evaluating."""
    for module in model.eval().modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d | nn.AlphaDropout):
            module.train()
    torch.manual_seed(seed)
    with torch.no_grad():
        return torch.stack([model(x_BCHW) for _ in range(SAMPLES)])


@pytest.mark.parametrize("build", [dense, convolutional])
def test_it_is_the_mean_of_the_probabilities(build: Callable[[], nn.Module]) -> None:
    x_BCHW = images()
    logits_SBK = by_hand(build(), x_BCHW, seed=5)
    probabilities_SBK = logits_SBK.double().softmax(dim=2)
    mean_BK, deviation_BK = McDropout(build(), samples=SAMPLES, seed=5).predict_moments(x_BCHW)
    torch.testing.assert_close(mean_BK.double(), probabilities_SBK.mean(0), atol=1e-6, rtol=0)
    expected = probabilities_SBK.std(0, correction=0)
    torch.testing.assert_close(deviation_BK.double(), expected, atol=1e-6, rtol=0)
    forward_BK = McDropout(build(), samples=SAMPLES, seed=5)(x_BCHW)
    torch.testing.assert_close(forward_BK.double(), probabilities_SBK.mean(0).log(), atol=1e-5, rtol=0)
    # Neither the softmax of the mean logits nor one plain prediction.
    assert not torch.allclose(logits_SBK.mean(0).softmax(1), mean_BK, atol=1e-3)
    assert not torch.allclose(build()(x_BCHW).softmax(1), mean_BK, atol=1e-3)


def test_log_probabilities_sum_to_one_and_stay_finite() -> None:
    output = nn.Linear(192, 3)
    with torch.no_grad():
        output.weight.mul_(1e4)
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), output)
    logs_BK = McDropout(model, samples=2)(images())
    assert logs_BK.isfinite().all()
    torch.testing.assert_close(logs_BK.exp().sum(1), torch.ones(16))


def test_only_dropout_is_switched_on() -> None:
    layers = (nn.Flatten(), nn.BatchNorm1d(192), nn.RReLU(0.1, 0.9), nn.Dropout(0.5), nn.Linear(192, 3))
    model = McDropout(nn.Sequential(*layers), samples=3)
    before = [buffer.clone() for buffer in model.buffers()]
    model.train()(images())
    assert [module for module in model.model.modules() if module.training] == [model.get_submodule("model.3")]
    assert all(map(torch.equal, model.buffers(), before))


def test_predictions_repeat_and_leave_the_random_state_alone() -> None:
    model = McDropout(dense(), samples=3)
    state = torch.get_rng_state()
    first = model(images())
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert torch.equal(model.eval()(images()), first)
    assert not torch.equal(McDropout(dense(), samples=3, seed=1)(images()), first)


def test_the_dropout_of_recurrent_layers_and_selu_counts() -> None:
    class Rows(nn.Module):
        def __init__(self, dropout: float) -> None:
            super().__init__()
            self.rows = nn.GRU(24, 6, num_layers=2, dropout=dropout, batch_first=True)
            self.output = nn.Linear(6, 3)

        def forward(self, x_BCHW: Tensor) -> Tensor:
            logits_BK: Tensor = self.output(self.rows(x_BCHW.permute(0, 2, 3, 1).flatten(2))[0][:, -1])
            return logits_BK

    _, deviation_BK = McDropout(Rows(0.5), samples=4).predict_moments(images())
    assert deviation_BK.min() > 0
    with pytest.raises(ObjectiveError, match="dropout above 0"):
        McDropout(Rows(0.0), samples=4)
    selu = nn.Sequential(nn.Flatten(), nn.AlphaDropout(0.2), nn.Linear(192, 3))
    assert McDropout(selu, samples=4).predict_moments(images())[1].min() > 0


@pytest.mark.parametrize("model", [nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.0), nn.Linear(2, 2))])
def test_a_network_that_drops_nothing_out_is_refused(model: nn.Module) -> None:
    with pytest.raises(ObjectiveError, match="mc_dropout needs a network with dropout above 0"):
        McDropout(model, samples=3)


def test_one_sample_has_no_deviation() -> None:
    model = dense()
    mean_BK, deviation_BK = McDropout(model, samples=1, seed=3).predict_moments(images())
    assert torch.equal(deviation_BK, torch.zeros_like(mean_BK))
    assert states_equal(model, dense())
