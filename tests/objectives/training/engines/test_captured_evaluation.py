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
    expected = evaluate(model, examples, "float32")
    beats: list[None] = []
    measure = CapturedEvaluation(model, examples, "float32", Recorder(examples.device))
    for _ in range(2):
        model.train()
        got = measure(lambda: beats.append(None))
        assert got["accuracy"] == expected["accuracy"]
        assert got["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert len(beats) >= 2
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.zero_()
    assert measure(lambda: None)["loss"] == pytest.approx(float(torch.tensor(3.0).log()), rel=1e-5)
