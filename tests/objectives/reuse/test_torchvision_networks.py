"""Networks of torchvision in stages, loaded from files of weights and trained on tiny images."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.transforms import functional as reference

from objectives import torchvision_network
from objectives.base.errors import ObjectiveError
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.reuse.torchvision_networks import FitImages, TorchvisionNetwork
from spaces import Choice, Configuration, Fixed, Space
from tests.objectives.reuse.made import built, digits, named, reusing, same, state, weights_file
from tests.objectives.training.made import Curve, StoppingCallback, run_to_the_end

SIDE = 32
CONFIG = Configuration({"classes": 10, "image_shape": (1, 8, 8)})


@cache
def torchvisions(architecture: str) -> nn.Module:
    """A network of torchvision with random weights, in evaluation mode."""
    torch.manual_seed(1)
    network: nn.Module = models.get_model(architecture, weights=None, num_classes=10).eval()
    return network


def staged(architecture: str) -> TorchvisionNetwork:
    return torchvision_network(architecture, input_size=SIDE)(CONFIG)


@pytest.mark.parametrize(
    ("architecture", "stages"),
    [
        ("resnet18", 5),
        ("mobilenet_v3_small", 13),
        *(
            pytest.param(*more, marks=pytest.mark.long)
            for more in (("mobilenet_v2", 19), ("efficientnet_b0", 9), ("convnext_tiny", 8), ("vgg11_bn", 29))
        ),
    ],
)
def test_with_every_stage_and_the_head_it_is_torchvisions(architecture: str, stages: int) -> None:
    whole, network = torchvisions(architecture), staged(architecture).eval()
    assert len(network.stages) == stages
    context = reusing(weights_file(whole, "whole.pth"))
    built("file", network, context, file="whole.pth", layers=stages)
    classifier = [whole.fc] if hasattr(whole, "fc") else list(whole.classifier)  # type: ignore[list-item, arg-type]
    # The hidden layers of the head are new, too.
    for own, its in zip([*network.pool.children()][1 - len(classifier) :], classifier[:-1], strict=False):
        own.load_state_dict(its.state_dict())
    network.output.load_state_dict(classifier[-1].state_dict())
    x_BCHW, _ = next(context.data.train.batches(4, order_seed=None))
    raw = context.data.train._images_NHWC[context.data.train.indices[:4]].permute(0, 3, 1, 2) / 255
    resized = reference.resize(raw, [SIDE, SIDE], antialias=False).expand(-1, 3, -1, -1)
    normalized = reference.normalize(resized, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        torch.testing.assert_close(network(x_BCHW), whole(normalized), atol=1e-4, rtol=1e-4)


def test_images_are_shrunk_as_torchvision_does() -> None:
    x_BCHW = torch.rand(2, 3, 50, 40, generator=torch.Generator().manual_seed(0))
    expected = reference.resize(x_BCHW, [SIDE, SIDE], antialias=True)
    torch.testing.assert_close(FitImages(SIDE)(x_BCHW), expected, atol=1e-5, rtol=0)


def test_a_stage_is_released_after_the_other_and_a_resumed_training_ends_the_same() -> None:
    objective = Objective(
        data="digits",
        build_model=torchvision_network("resnet18", input_size=SIDE),
        space=Space(learning_rate=Fixed(1e-3)),
    )
    options = {"file": "r.pth", "layers": 5, "freeze_epochs": 1, "unfreeze_every": 1, "unfreeze_factor": 0.5}
    values = {"learning_rate": 1e-3, "batch_size": 20, "reuse": Choice("file", {**options, "head_rate": 10.0})}
    sources = named(weights_file(torchvisions("resnet18"), "r.pth"))

    def run(callback: StoppingCallback) -> tuple[TorchvisionNetwork, Curve]:
        curve = Curve()

        def once() -> nn.Module:
            curve.rows = curve.rows[: callback.states[-1][0] if callback.states else 0]
            config, data = Configuration(values), replace(digits(20), merged=True)  # it ends with the last weights
            return train(objective, config, data, curve, epochs=3, seed=7, sources=sources, callback=callback)

        network = run_to_the_end(once)
        assert isinstance(network, TorchvisionNetwork)
        return network, curve

    whole, curve = run(StoppingCallback())
    start = staged("resnet18")
    built("file", start, reusing(*sources.values()), file="r.pth", layers=5)
    # Stage 4 learns from epoch 1 on, stage 3 from epoch 2; those below never within three.
    learned = [not same(state(one), state(other)) for one, other in zip(whole.stages, start.stages, strict=True)]
    assert learned == [False, False, False, True, True]
    callback = StoppingCallback(2, 15)
    resumed, again = run(callback)
    assert callback.refusals == []
    assert same(state(resumed), state(whole))
    assert again.of("loss") == curve.of("loss")


def test_a_deeper_network_of_the_same_family_is_refused() -> None:
    model = staged("resnet18")
    before = state(model.stages)
    with pytest.raises(ObjectiveError, match=r"has 'layer1\.2\.conv1\.weight', which stage 1 of this network has not"):
        built("file", model, reusing(weights_file(torchvisions("resnet34"), "deep.pth")), file="deep.pth", layers=3)
    assert same(state(model.stages), before)


def test_a_name_that_is_unknown_or_cannot_be_divided_and_a_tiny_input_are_refused() -> None:
    with pytest.raises(ObjectiveError, match="unknown torchvision network 'resnet17'; did you mean"):
        torchvision_network("resnet17")(CONFIG)
    with pytest.raises(ObjectiveError, match="unknown torchvision network 'vit_b_16'"):
        torchvision_network("vit_b_16")(CONFIG)
    with pytest.raises(ObjectiveError, match="input_size must be at least 32 pixels, but got input_size=8"):
        torchvision_network("resnet18", input_size=8)(CONFIG)
