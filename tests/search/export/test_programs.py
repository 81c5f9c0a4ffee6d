"""Every network of the catalogue as a program for PyTorch alone and for ONNX runtimes."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from objectives.models.activations import ACTIVATIONS
from objectives.models.catalogue import MODELS
from objectives.models.normalizations import NORMALIZATIONS
from objectives.reuse.torchvision_networks import build_torchvision_network
from objectives.variants.apply import apply_variants
from objectives.variants.catalogue import VARIANTS
from search.errors import SearchError, UsageError
from search.export.networks.programs import CannotExport, write_onnx_program, write_torch_program
from search.export.networks.standalone import CheckedNetwork, StandaloneNetwork
from search.export.outputs.task import MARK
from search.export.outputs.writing import write_export, write_export_folder
from spaces import Choice, Configuration

SHAPE = (3, 12, 16)
LABELS = ("cat", "<b>dog</b>", "\u202eeel")
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
# What of each network is least like the others.
SETTINGS: dict[str, dict[str, object]] = {
    "mlp": {"normalization": "batch_norm", "dropout": 0.2},
    "cnn": {"whitening": 2, "activation": "maxout"} if "maxout" in ACTIVATIONS else {"whitening": 2},
    "resnet": {"pool_rounds": 1},
    "rnn": {"cell": "lstm", "bidirectional": True, "normalization": "layer_norm"},
}


def build(model: str, **settings: object) -> nn.Module:
    """Return a network whose batch norms have seen images."""
    torch.manual_seed(0)
    entry = MODELS[model]
    network = entry.build(Configuration({"depth": 2, "width": 6, **settings}).into(entry.config), SHAPE, len(LABELS))
    with torch.no_grad():
        network(torch.randn(8, *SHAPE))
    return network.eval()


@torch.no_grad()
def check(model: nn.Module, images: int = 5) -> CheckedNetwork:
    """Return the network with what it predicts for random images, normalized here."""
    channels, height, width = SHAPE
    pixels = np.random.default_rng(0).integers(0, 256, (images, height, width, channels), dtype=np.uint8)
    x_BCHW = torch.from_numpy((pixels / 255 - MEAN) / STD).float().permute(0, 3, 1, 2)
    return CheckedNetwork(
        standalone=StandaloneNetwork(model, mean=MEAN, std=STD, shape=(height, width, channels)).eval(),
        labels=LABELS,
        images=pixels,
        probabilities=model.eval()(x_BCHW).softmax(dim=1).numpy(),
    )


@pytest.mark.parametrize("model", MODELS)
def test_every_network_of_the_catalogue_is_a_program_for_torch_alone(model: str, tmp_path: Path) -> None:
    network = check(build(model, **SETTINGS.get(model, {})))
    assert write_torch_program(network, tmp_path / "m") < 1e-6
    assert MARK.encode() in (tmp_path / "m").read_bytes()
    extra = {"labels.json": ""}
    with (tmp_path / "m").open("rb") as file:
        torch.export.load(file, extra_files=extra)
    assert extra["labels.json"] == '["cat", "<b>dog</b>", "\\u202eeel"]'


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_every_network_of_the_catalogue_is_a_program_for_onnx_runtimes(model: str, cell: str, tmp_path: Path) -> None:
    if model != "rnn" and cell != "rnn":
        pytest.skip("only recurrent networks have cells")
    settings = SETTINGS.get(model, {}) | ({"cell": cell} if model == "rnn" else {})
    assert write_onnx_program(check(build(model, **settings)), tmp_path / "m") < 1e-5
    assert MARK.encode() in (tmp_path / "m").read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_exported(name: str, tmp_path: Path) -> None:
    network = check(build("mlp", activation=name))
    assert write_torch_program(network, tmp_path / "t") < 1e-5
    assert write_onnx_program(network, tmp_path / "o") < 1e-5


@pytest.mark.long
@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_every_normalization_is_exported(name: str, tmp_path: Path) -> None:
    network = check(build("cnn", normalization=name))
    assert write_torch_program(network, tmp_path / "t") < 1e-5
    assert write_onnx_program(network, tmp_path / "o") < 1e-5


@pytest.mark.long
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_networks_of_torchvision_are_exported(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_torchvision_network(name, len(LABELS), input_size=32, mean=MEAN, std=STD).eval()
    network = check(model, images=3)
    assert write_torch_program(network, tmp_path / "t") < 1e-5
    assert write_onnx_program(network, tmp_path / "o") < 1e-4


@pytest.mark.long
@pytest.mark.parametrize(
    "name", [name for name, entry in VARIANTS.items() if not (entry.is_random or entry.needs_snapshots)]
)
def test_every_variant_that_is_a_fixed_network_is_exported(name: str, tmp_path: Path) -> None:
    changed = apply_variants(build("cnn", normalization="batch_norm"), [Choice(name)])
    network = check(changed)
    assert write_torch_program(network, tmp_path / "t") < 1e-5
    assert write_onnx_program(network, tmp_path / "o") < 1e-5


def test_a_program_that_predicts_something_else_is_not_left(tmp_path: Path) -> None:
    network = check(build("mlp"))
    for wrong in (network.probabilities + 2e-4, network.probabilities * math.nan):
        other = replace(network, probabilities=wrong.astype(np.float32))
        with (
            pytest.raises(SearchError, match=r"torch.export file's probabilities differ .* 5 validation images"),
            write_export(tmp_path / "m.pt2", MARK.encode()) as partial,
        ):
            write_torch_program(other, partial)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_traced_is_named_in_one_sentence(tmp_path: Path) -> None:
    class Branching(nn.Module):
        def forward(self, x_BCHW: Tensor) -> Tensor:
            return x_BCHW.mean((2, 3)) * (2 if x_BCHW.sum().item() > 0 else 1)

    with pytest.raises(CannotExport, match=r"cannot be exported by torch.export \(.*\); change its forward") as caught:
        write_torch_program(check(Branching()), tmp_path / "m")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_without_onnx_a_sentence_names_the_extra(package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SearchError, match=rf"needs {package}, .* run `pip install 'depthsearch\[export\]'`"):
        write_onnx_program(check(build("mlp")), tmp_path / "m")


def test_only_an_earlier_export_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "m.onnx"
    for content in (b"one " + MARK.encode(), b"two " + MARK.encode()):
        with write_export(path, MARK.encode()) as partial:
            partial.write_bytes(content)
        assert path.read_bytes() == content
    path.write_bytes(b"my own")
    with pytest.raises(UsageError, match=r"is there already and no such export wrote it"), write_export(path, b"e"):
        raise AssertionError
    with pytest.raises(UsageError, match=r"is a folder"), write_export(path.parent, b"e"):
        raise AssertionError
    with pytest.raises(SearchError, match=r"cannot be written \(.*; name another file"), write_export(path / "x", b"e"):
        raise AssertionError
    assert path.read_bytes() == b"my own"
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_folder_takes_the_place_of_an_earlier_one_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "model"
    for content in ("one", "two"):
        with write_export_folder(path) as folder:
            (folder / content).write_text(content)
        assert [each.name for each in path.iterdir()] == [content]
    with pytest.raises(SearchError, match="cannot be written"), write_export_folder(path) as folder:
        folder.mkdir()
    assert [each.name for each in path.iterdir()] == ["two"]
    assert [each.name for each in path.parent.iterdir()] == ["model"]
