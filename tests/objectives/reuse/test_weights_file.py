"""Files of weights: what is read, and what is refused in one sentence."""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.reuse.weights_file import find_weights_file
from tests.objectives.reuse.made import built, network, reusing, same, state, weights_file


class Harmful:
    """What would leave a trace if it were unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


def packed(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["donor.safetensors", "donor.pth"])
def test_both_formats_give_the_stages_their_weights(name: str) -> None:
    donor, model = network(seed=1), network()
    upper = state(model.stages[2])
    built("file", model, reusing(weights_file(donor, name)), file=name, layers=2)
    for stage in range(2):
        assert same(state(model.stages[stage]), state(donor.stages[stage]))
    assert same(state(model.stages[2]), upper)


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_weights_inside_a_checkpoint_are_found(tmp_path: Path, key: str) -> None:
    (tmp_path / "a.pth").write_bytes(packed({"epoch": 3, key: {"w": torch.ones(2)}}))
    assert list(find_weights_file("a.pth", tmp_path).load_state()) == ["w"]


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for content in (packed({"w": Harmful(trace)}), pickle.dumps(Harmful(trace))):
        (tmp_path / "bad.pth").write_bytes(content)
        with pytest.raises(
            ObjectiveError, match=r"bad\.pth (holds something else than weights|is not a file that tor)"
        ):
            find_weights_file("bad.pth", tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.pth", b"no archive", "a.pth (is not a file that torch.save wrote|holds something else than weights)"),
        ("a.pth", packed([torch.ones(1)]), "a.pth holds no weights by their names: '' is no tensor; save model.state_"),
        ("a.pth", packed({"epoch": 3}), "a.pth holds no weights by their names: 'epoch' is no tensor"),
        ("a.pth", packed({}), "a.pth holds no weights by their names: it is empty"),
        ("a.safetensors", save({"w": torch.ones(9)})[:-4], "a.safetensors is not a whole safetensors file"),
        ("a.png", b"", r"reads weights from files that end in \.safetensors, .*, but got 'a.png'; use --set file=PATH"),
    ],
)
def test_what_holds_no_weights_is_refused(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ObjectiveError, match=sentence):
        find_weights_file(name, tmp_path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.pth").mkdir()
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "link.pth").symlink_to(tmp_path / "test.png")
    for name, sentence in (
        ("folder.pth", "folder.pth is no file"),
        ("pipe.pth", "pipe.pth is no file"),
        ("link.pth", "files that end in"),
        ("none.pth", r"cannot be read \(No such file or directory\); nothing is downloaded: put it there"),
    ):
        with pytest.raises(ObjectiveError, match=sentence):
            find_weights_file(name, tmp_path)


def test_a_file_that_changes_under_the_study_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(save({"w": torch.ones(1)}))
    found = find_weights_file("a.safetensors", tmp_path)
    (tmp_path / "a.safetensors").write_bytes(save({"w": torch.zeros(1)}))
    with pytest.raises(ObjectiveError, match="has changed while the study ran; restore it"):
        found.load_state()


def test_another_architecture_is_refused_and_nothing_is_copied() -> None:
    for donor, sentence in (
        (network(width=16, seed=1), r"'stages.0.0.weight' is 16x64 in the file of weights .*, but 32x64 in stage 0 of"),
        (nn.Linear(3, 2), r"has no 'stages.0.0.weight', which stage 0 .* needs; its tensors are bias, weight: take"),
        (network(stages=1, seed=1), r"has no 'stages.1.0.weight', which stage 1 .* needs; .* and \d more: take a file"),
    ):
        model = network()
        before = state(model)
        with pytest.raises(ObjectiveError, match=sentence):
            built("file", model, reusing(weights_file(donor)), file="donor.safetensors", layers=2)
        assert same(state(model), before)
    with pytest.raises(ObjectiveError, match=r"no file of weights 'x.pth' belongs to this study; use --set file=PATH"):
        built("file", network(), reusing(), file="x.pth", layers=1)
