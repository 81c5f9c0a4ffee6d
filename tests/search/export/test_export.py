"""`search export` and `search predict` on a study of coloured images with hostile names, before its score and after.

The tests share the study and run in the order written. The test images are there while it is scored, and no longer.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from objectives.data.files import image_files
from search import Study
from search.export.networks.folder import FILES
from search.export.networks.preprocessing import FORMAT
from search.export.registry import FORMATS
from tests.conftest import copied, use_home
from tests.docs import ROOT
from tests.markdown import find_fences
from tests.search.command import Ended, done, search

pytestmark = pytest.mark.slow
NAME = "=1+1 <script>alert(1)"
CLASSES = ("<img src=x onerror=a()>", "b\u202ec", "plain")
SIZE = 8
OBJECTIVE = """
    from torch import nn

    from objectives.core.objective import Objective
    from spaces import Fixed, Float, Space


    def build_model(config):
        channels, height, width = config.image_shape
        return nn.Sequential(
            nn.Conv2d(channels, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3),
            nn.Linear(6 * (height - 2) * (width - 2), config.classes),
        )


    OBJECTIVE = Objective(
        data="hostile", build_model=build_model, epochs=2, trials=1, validation_fraction=0.25, image_size=8,
        space=Space(learning_rate=Float(0.003, 0.01, log=True)),
    )
"""
# Python that has PyTorch and nothing of ours.
ALONE = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in {others!r} else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Finder]
for name in {others!r}:
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{{name}} can be imported")
{program}
"""
OTHERS = (
    "search",
    "objectives",
    "spaces",
    "storage",
    "optuna",
    "safetensors",
    "torchvision",
    "PIL",
    "numpy",
)


@dataclass(frozen=True)
class Place:
    """A storage and a folder with the objective and its images."""

    address: str
    folder: Path

    def __getitem__(self, name: str) -> Path:
        return self.folder / name


def write_images(folder: Path, count: int, seed: int) -> None:
    """Write pictures of each class, in colours of its own."""
    random = np.random.default_rng(seed)
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            pixels = random.integers(0, 120, (10, 12, 3), dtype=np.uint8)
            pixels[..., number] += 130
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, server: str, template: str) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("export")
    write_images(folder / "data" / "hostile" / "train", 12, 0)
    (folder / "own.py").write_text(textwrap.dedent(OBJECTIVE).lstrip())
    with copied(server, template) as address:
        yield Place(address, folder)


@pytest.fixture(autouse=True)
def home(shared_home: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, shared_home)
    monkeypatch.setenv("SEARCH_STORAGE", place.address)
    monkeypatch.setenv("SEARCH_DATA", str(place["data"]))
    monkeypatch.chdir(place.folder)


def export(name: str, *flags: str | Path) -> Ended:
    return search("export", "--study", NAME, "--format", name, *flags)


def predict(*arguments: str | Path, model: str = "model") -> Ended:
    return search("predict", "--model", model, "--objective", "own.py", "--device", "cpu", *arguments)


def read_card(folder: Path) -> Any:
    hub = pytest.importorskip("huggingface_hub")
    from tests.search.export.networks.test_card import check_rules

    check_rules((folder / "README.md").read_text())
    return hub.ModelCard.load(folder / "README.md", ignore_metadata_errors=False)


def test_without_a_trial_there_is_nothing_to_export(place: Place) -> None:
    with Study.create(NAME, str(place["own.py"]), experience="none") as study:
        for name in ("config.toml", "model"):
            ended = export(name)
            assert (ended.code, "has no completed trial" in ended.err) == (3, True), ended.err
        study.run(workers=1, device="cpu")


def test_before_a_score_the_best_trials_network_is_exported(place: Place) -> None:
    ended = export("model", "-o", "unscored", "--json")
    assert ended.code == 0, ended.err
    assert "has no test score; this is the network of its best trial, 0" in ended.err
    assert (ended.document["checked_images"], ended.document["largest_difference"] < 1e-5) == (9, True)
    card = read_card(place["unscored"])
    assert card.data.eval_results is None
    assert "It has not been scored on test images." in card.text
    assert json.loads(place["unscored/config.json"].read_text())["result"] is None


def test_the_scored_network_is_exported_with_its_score(place: Place) -> None:
    test = place["data/hostile/test"]
    write_images(test, 3, 1)
    score = done("final", "--study", NAME, "--device", "cpu", "--out", "out", "--json").document
    test.rename(place["elsewhere"])
    ended = export("model", "-o", "model", "--json", "--push-ready")
    assert ended.code == 0, ended.err
    assert "nothing was uploaded; `hf upload USER/NAME model`" in ended.err
    assert {each.name for each in place["model"].iterdir()} == FILES
    weights = place["model/model.safetensors"].read_bytes()
    assert hashlib.sha256(weights).hexdigest() == score["weights_sha256"] == ended.document["weights_sha256"]
    config = json.loads(place["model/config.json"].read_text())
    assert (config["labels"], config["result"]["test_accuracy"]) == (list(CLASSES), score["test_accuracy"])
    [result] = read_card(place["model"]).data.eval_results
    assert (result.metric_type, result.dataset_split, result.task_type) == ("accuracy", "test", "image-classification")
    assert result.metric_value == pytest.approx(score["test_accuracy"], abs=1e-6)
    assert result.metric_args["interval_95"] == pytest.approx(score["test_interval_95"], abs=1e-6)


def test_names_are_text_in_the_card_and_nothing_private_is_in_the_folder(place: Place) -> None:
    text = place["model/README.md"].read_text()
    _, metadata, body = text.split("---\n", 2)
    assert "<script>" in body
    assert "<" not in re.sub("`[^`\n]*`", "", body)  # within a code span it is text
    assert text.replace("\n", "").isprintable()
    assert json.loads(metadata.splitlines()[-1].partition(": ")[2])[0]["name"] == NAME
    for name in FILES:
        content = place[f"model/{name}"].read_bytes()
        for private in (place.address, str(place.folder), os.environ["SEARCH_HOME"]):
            assert private.encode() not in content


def read_predictions(*arguments: str | Path) -> NDArray[np.float64]:
    """Return all probabilities that `search predict` gives, a row for each image."""
    ended = predict(*arguments, "--top", "0", "--json")
    assert ended.code == 0, ended.err
    rows = [{each["label"]: each["probability"] for each in one["classes"]} for one in ended.document["predictions"]]
    return np.array([[row[name] for name in CLASSES] for row in rows])


def test_torch_alone_predicts_the_same_by_the_program_of_the_docs(place: Place) -> None:
    images = np.random.default_rng(3).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    np.save(place["images.npy"], images)
    expected = read_predictions("images.npy")
    [program] = [
        each for each in find_fences((ROOT / "docs/export.md").read_text(), "python") if "torch.export" in each
    ]
    assert len(program.strip().splitlines()) <= 10
    mine = f"torch.tensor({images.tolist()}, dtype=torch.uint8)"
    program = program.replace("torch.zeros(2, 32, 32, 3, dtype=torch.uint8)", mine).replace(
        "cifar-depth-model", "model"
    )
    (elsewhere := place["alone"]).mkdir()
    (elsewhere / "model").symlink_to(place["model"])
    ended = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", "-W", "ignore", "-c", ALONE.format(others=OTHERS, program=program)],
        cwd=elsewhere,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found = [line.rpartition(" ") for line in ended.stdout.splitlines()]
    assert [label for label, _, _ in found] == [CLASSES[number] for number in expected.argmax(1)]
    assert [float(each) for _, _, each in found] == pytest.approx(expected.max(1).tolist(), abs=1e-6)


def test_onnxruntime_alone_predicts_the_same_by_the_program_of_the_docs(place: Place) -> None:
    pytest.importorskip("onnxscript")
    ended = export("onnx", "-o", "m.onnx", "--json")
    assert ended.code == 0, ended.err
    assert ended.document["largest_difference"] < 1e-4
    [program] = [each for each in find_fences((ROOT / "docs/export.md").read_text(), "python") if "onnxruntime" in each]
    program = program.replace("cifar-depth.onnx", "m.onnx").replace(
        "numpy.zeros((2, 32, 32, 3), numpy.uint8)", 'numpy.load("images.npy")'
    )
    names: dict[str, Any] = {}
    exec(program, names)
    assert names["probabilities"] == pytest.approx(read_predictions("images.npy"), abs=1e-4)


def test_images_arrays_and_tables_of_the_same_pixels_get_the_same_predictions(place: Place) -> None:
    images = np.load(place["images.npy"])
    (folder := place["photos"]).mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    np.savez(place["images.npz"], images=images, labels=np.zeros(5))
    header = ",".join(f"pixel{number}" for number in range(images[0].size))
    rows = [",".join(map(str, image.flatten())) for image in images]
    place["table.csv"].write_text("\n".join((header, *rows)))
    expected = read_predictions("images.npy")
    assert read_predictions("photos", "--batch-size", "2") == pytest.approx(expected, abs=1e-6)
    assert read_predictions("images.npz", "table.csv") == pytest.approx(np.tile(expected, (2, 1)), abs=1e-6)


def test_images_are_resized_as_for_the_training(place: Place) -> None:
    path = place["data/hostile/train"] / CLASSES[2] / "0.png"
    np.save(place["one.npy"], image_files.read(str(path), 3, SIZE))
    assert read_predictions(path) == pytest.approx(read_predictions("one.npy"), abs=1e-6)


def test_files_that_cannot_be_read_cost_no_other_its_prediction(place: Place) -> None:
    (folder := place["bad"]).mkdir()
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 99)
    (folder / "b.csv").write_text("1,2,3\n")
    (folder / "c.csv").write_text(",".join(["1"] * (SIZE * SIZE * 3 - 1) + ["256"]))
    np.save(folder / "d.npy", np.array([{"a": 1}]), allow_pickle=True)
    np.save(folder / "e.npy", np.zeros((1, SIZE, SIZE, 3), np.float32))
    np.savez(folder / "f.npz", a=np.zeros(1), b=np.zeros(1))
    with zipfile.ZipFile(folder / "g.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("images", bytes(2**20))  # no array: numpy would unpack it whole, whatever the other one has
        file.writestr("images.npy", b"small")
    os.mkfifo(folder / "h.png")
    (folder / ".hidden.png").write_bytes(b"")
    ended = predict("photos/0.png", "bad", "none.png", "photos/1.png", "--json")
    assert ended.code == 1
    assert [one["file"] for one in ended.document["predictions"]] == ["photos/0.png", "photos/1.png"]
    errors = {Path(one["file"]).name: one["error"] for one in ended.document["errors"]}
    assert list(errors) == ["a.png", "b.csv", "c.csv", "d.npy", "e.npy", "f.npz", "g.npz", "none.png"]
    assert [line.removeprefix("error: ") for line in ended.lines] == list(errors.values())
    for name, says in {
        "a.png": "cannot be decoded as an image",
        "b.csv": "row 1 of bad/b.csv has 3 numbers, and an image has 192",
        "c.csv": "a whole one from 0 to 255",
        "d.npy": "cannot be read as an array",
        "e.npy": "must have uint8 images",
        "f.npz": "has the arrays a, b; call the one to predict 'images'",
        "g.npz": "cannot be read as an array",
        "none.png": "No such file",
    }.items():
        assert says in errors[name]
    shown = predict("photos/0.png", "--top", "2")
    assert shown.code == 0
    assert shown.out.splitlines()[0].split() == ["file", "class", "probability", "then"]
    assert all(line.isprintable() for line in shown.out.splitlines())


def test_dropout_gives_a_spread(place: Place) -> None:
    ended = predict("photos/0.png", "--mc", "20", "--json")
    assert ended.code == 0, ended.err
    [one] = ended.document["predictions"]
    assert all(0 < each["deviation"] < 0.5 for each in one["classes"])
    assert sum(each["probability"] for each in one["classes"]) == pytest.approx(1)
    assert predict("photos/0.png", "--mc", "1").code == 2


def test_a_network_that_was_not_scored_predicts_no_test_image(place: Place) -> None:
    place["elsewhere"].rename(place["data/hostile/test"])
    path = place["data/hostile/test"] / "plain" / "0.png"
    ended = predict(path, "photos/0.png", "--json", model="unscored")
    assert ended.code == 1
    assert [one["file"] for one in ended.document["predictions"]] == ["photos/0.png"]
    assert "held-out" in ended.document["errors"][0]["error"]
    assert predict(path).code == 0


def test_a_changed_folder_is_refused_and_nothing_in_it_is_run(place: Place) -> None:
    def change(**values: object) -> Ended:
        shutil.rmtree(place["changed"], ignore_errors=True)
        shutil.copytree(place["model"], place["changed"])
        document = json.loads(place["model/config.json"].read_text())
        place["changed/config.json"].write_text(json.dumps({**document, **values}))
        return predict("photos/0.png", model="changed")

    place["evil.py"].write_text("raise SystemExit('run')")
    prepared = json.loads(place["model/config.json"].read_text())["preprocessing"]
    nested = reduce(lambda inner, _: {"name": "a", "b": inner}, range(900), {})
    for values, code, says in (
        ({"format": "other"}, 2, f"does not say '{FORMAT}'"),
        ({"weights_sha256": "0" * 64}, 1, "model.safetensors was changed"),
        ({"labels": ["one"]}, 1, "does not fit the network"),
        ({"model": "mlp", "configuration": {"depth": 2, "width": 10**7}}, 1, "tensors or more, too many for the"),
        ({"model": "mlp", "configuration": {"depth": 10**7, "width": 1}}, 1, "tensors or more, too many for the"),
        ({"preprocessing": {**prepared, "std": [0.0, 1.0, 1.0]}}, 1, "cannot be normalized"),
        ({"preprocessing": {**prepared, "resize": 50_000}}, 1, "that are resized to 50000 do not become"),
        ({"labels": []}, 1, "has no labels"),
        ({"configuration": nested}, 1, "config.json was changed: "),  # by a RecursionError up to Python 3.11
        ({"preprocessing": {}}, 1, "config.json was changed: KeyError"),
        ({"variants": ["nothing"]}, 1, "unknown variant"),
        ({"objective": str(place["evil.py"])}, 1, "is the path of a file, not the name of an objective"),
        ({"objective_hash": "0" * 64}, 2, "is not as it was when the network was trained"),
    ):
        ended = change(**values)
        assert (ended.code, says in ended.err) == (code, True), ended.err
        assert len(ended.lines) == 1
    ended = search("predict", "--model", "model", "photos/0.png", "--objective", "none.py")
    assert (ended.code, "there is no objective file none.py" in ended.err) == (2, True), ended.err
    ended = search("predict", "--model", "model", "photos/0.png")
    assert (ended.code, "name its file with --objective PATH" in ended.err) == (2, True), ended.err
    assert predict("photos/0.png", model="photos").code == 2


def test_exports_replace_earlier_ones_and_nothing_else(place: Place) -> None:
    for name in ("trials.csv", "config.toml", "trials.csv", "config.toml"):
        assert export(name).code == 0
    [table] = place.folder.glob("*-trials.csv")
    [row] = csv.DictReader(io.StringIO(table.read_text()))
    assert (row["number"], row["state"], row["epochs"]) == ("0", "complete", "2")
    shutil.copytree(place["model"], place["nested"])
    place["nested/README.md"].unlink()
    place["nested/README.md"].mkdir()
    place["link"].symlink_to("model")
    os.mkfifo(place["pipe"])
    place["model/mine.txt"].write_text("")
    for name, to, says in (
        ("model", "model", "has a file that no export wrote, 'mine.txt'"),
        ("model", "photos", "is there already and no export wrote it"),
        ("model", "own.py", "is a file, and this format is a folder"),
        ("trials.csv", "own.py", "is there already and no such export wrote it"),
        ("torch-export", "photos", "is a folder, and this format is a file"),
        ("trials.csv", "pipe", "is there already and no such export wrote it"),
        ("model", "link", "is a link"),
        ("model", "nested", "has a file that no export wrote, 'README.md'"),
    ):
        ended = export(name, "-o", to)
        assert (ended.code, says in ended.err) == (2, True), ended.err
    assert export("config.toml", "--push-ready").code == 2
    assert "did you mean onnx?" in export("onx").err
    assert not [each for each in place.folder.iterdir() if each.name.startswith(".")]


def test_a_program_exports_without_a_seal_on_itself(place: Place) -> None:
    with Study.open(NAME, objective=str(place["own.py"])) as study:
        assert study.export("trials.csv", "t.csv") == Path("t.csv")
        notes: list[str] = []
        assert study.export("torch-export", "m.pt2", progress=notes.append) == place["m.pt2"]
    assert next(place["data/hostile/test/plain"].iterdir()).read_bytes()


def test_every_format_is_documented() -> None:
    page = (ROOT / "docs/export.md").read_text()
    assert [name for name in FORMATS if f"`{name}`" not in page] == []
