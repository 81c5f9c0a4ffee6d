"""The recorded evaluation measures what the eager one measures, also where batches are filled up."""

import pytest
import torch
from torch import nn

from objectives.data.batches.examples import Examples
from objectives.training.engines.captured_evaluation import CapturedEvaluation
from objectives.training.engines.recording import Recorder
from objectives.training.evaluation import EVALUATION_BATCH, evaluate

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=cuda)])
@pytest.mark.parametrize("count", [1, EVALUATION_BATCH, EVALUATION_BATCH + 1, 2 * EVALUATION_BATCH + 2])
def test_accuracy_and_loss_are_those_of_the_eager_evaluation(device: str, count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    examples = Examples(
        images_NHWC=torch.randint(256, (count, 4, 4, 1), generator=generator, dtype=torch.uint8).to(device),
        labels_N=torch.randint(3, (count,), generator=generator).to(device),
        mean=(0.5,),
        std=(0.3,),
    )
    torch.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Dropout()).to(device)
    # The last example fills up the last batch; it is one that counts as right.
    examples.labels[-1] = model.eval()(examples.make_batch(examples.indices[-1:])).argmax()
    counts_KK, eager_KK = (torch.full((3, 3), 9, dtype=torch.int64, device=device) for _ in range(2))
    expected = evaluate(model, examples, "float32", counts_KK=eager_KK)
    taken_N = model(examples.make_batch(examples.indices)).argmax(dim=1)
    by_hand = [[((examples.labels == y) & (taken_N == taken)).sum().item() for taken in range(3)] for y in range(3)]
    assert eager_KK.tolist() == by_hand
    beats: list[None] = []
    measure = CapturedEvaluation(model, examples, "float32", Recorder(examples.device), counts_KK)
    for _ in range(2):
        model.train()
        got = measure(lambda: beats.append(None))
        assert got["accuracy"] == expected["accuracy"]
        assert got["loss"] == pytest.approx(expected["loss"], rel=1e-5)
        assert counts_KK.tolist() == by_hand, "of the last measurement, without what fills up the last batch"
    assert len(beats) >= 2
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.zero_()
    assert measure(lambda: None)["loss"] == pytest.approx(float(torch.tensor(3.0).log()), rel=1e-5)
    assert counts_KK.tolist() == [[sum(row), 0, 0] for row in by_hand]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=cuda)])
def test_a_recording_that_fails_leaves_the_eager_counts(device: str) -> None:
    """Half of it has run by then."""
    images = torch.zeros((2 * EVALUATION_BATCH, 4, 4, 1), dtype=torch.uint8, device=device)
    labels = torch.arange(2 * EVALUATION_BATCH, device=device) % 3
    examples = Examples(images_NHWC=images, labels_N=labels, mean=(0.5,), std=(0.3,))
    beats: list[None] = []

    def fail(*_: object) -> None:
        if len(beats) == 3:  # after both batches of the eager evaluation, and one of the recording
            raise RuntimeError("made up")

    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).to(device)
    model.register_forward_hook(fail)
    counts_KK, expected_KK = (torch.zeros((3, 3), dtype=torch.int64, device=device) for _ in range(2))
    evaluate(model, examples, "float32", counts_KK=expected_KK)
    measure = CapturedEvaluation(model, examples, "float32", Recorder(examples.device), counts_KK)
    measure(lambda: beats.append(None))
    assert len(beats) == 3
    assert counts_KK.tolist() == expected_KK.tolist()
    assert counts_KK.sum() == len(examples)
