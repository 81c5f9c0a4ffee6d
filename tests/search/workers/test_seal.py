"""No file of the test set is opened before the final step: watched by the kernel over whole runs, and refused."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path

import pytest

from objectives.data.catalogue import DATASETS
from objectives.data.hiding import find_obstacle
from tests.conftest import execute
from tests.objectives.data import made
from tests.search.command import done, search
from tests.search.tracing import run_traced

# A part of the path that opening the test set would show, by the layout of the data set.
HELD_OUT = {"fashion-mnist": "t10k-", "cifar10": "test_batch", "flowers": "flowers/test"}

FLOWERS = """
    from objectives.core.objective import Objective
    from spaces import Fixed, Int, Space

    OBJECTIVE = Objective(
        data="flowers", model="mlp", epochs=1, trials=2,
        space=Space(depth=Int(1, 2), width=Fixed(8), learning_rate=Fixed(0.001)),
    )
"""

CHEAT = """
    from objectives.core.objective import Objective
    from spaces import Float, Space


    def train(config, data, report):
        open({path!r}, "rb").read()


    OBJECTIVE = Objective(data="fashion-mnist", train=train, epochs=1, trials=3, space=Space(x=Float(0, 1)))
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Small data sets in the three layouts, each with a test part."""
    folder = tmp_path / "data"
    for name in ("fashion-mnist", "cifar10"):
        made.write_both(DATASETS[name], folder, each=20)
    for kind in ("train", "test"):
        made.write_folders(folder / "flowers" / kind, made.part(3, 20, (6, 6, 3)), ["rose", "tulip", "violet"])
    return folder


def objective(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(text).lstrip())
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "cifar10" else [pytest.mark.long]) for name in HELD_OUT]
)
def test_a_whole_run_opens_no_test_file(name: str, data: Path, tmp_path: Path, database_url: str) -> None:
    log = tmp_path / "trace"
    what = {"fashion-mnist": "fashion-depth", "cifar10": "cifar-depth"}.get(name) or str(
        objective(tmp_path, "flowers", FLOWERS)
    )
    run = ("run", "--study", name, "--objective", what, "--data", data, "--trials", "2", "--epochs", "1")
    ended = run_traced(log, *run, "--workers", "2", "--storage", database_url)
    assert ended.code == 0, ended.err
    opened = [line for line in log.read_text().splitlines() if str(data) in line]
    assert any("train" in line or "data_batch_1" in line for line in opened), "the trace saw no data at all"
    assert any(HELD_OUT[name] in str(path) for path in data.rglob("*")), "there is nothing that could be opened"
    assert [line for line in opened if HELD_OUT[name] in line] == []


@pytest.mark.slow
def test_an_objective_that_opens_the_test_set_is_refused_by_name(data: Path, tmp_path: Path, database_url: str) -> None:
    held_out = data / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte"
    path = objective(tmp_path, "cheat", CHEAT.format(path=str(held_out)))
    ended = search("run", "--objective", path, "--data", data, "--workers", "1", "--storage", database_url)
    assert ended.code == 1
    assert str(held_out) in ended.err
    assert "sealed" in ended.err
    assert "Traceback" not in ended.err
    shown = done("status", "--study", "cheat", "--json", "--storage", database_url).document
    assert (shown["states"]["complete"], shown["states"]["pruned"], shown["control"]) == (0, 0, "failed")


@pytest.mark.slow
def test_the_ledger_is_claimed_before_the_test_files_are_opened(data: Path, tmp_path: Path, database_url: str) -> None:
    """If the test set cannot be read, the claim has no score; once it is repaired, it is scored."""
    path = objective(tmp_path, "flowers", FLOWERS)
    common = ("--study", "flowers", "--data", data, "--storage", database_url)
    done("run", *common, "--objective", path, "--workers", "1")
    spoiled = next((data / "flowers" / "test" / "rose").iterdir())
    picture = spoiled.read_bytes()
    spoiled.write_bytes(picture[: len(picture) // 2])
    ended = search("final", *common, "--out", tmp_path / "out")
    assert ended.code == 1
    assert str(spoiled) in ended.err
    rows = execute(database_url, "SELECT weights_sha256, look, winner->>'trial' FROM depthsearch.scores")
    assert [look for _, look, _ in rows] == [None]
    # Whatever the search finds meanwhile, the claim stays with its winner and its weights.
    execute(database_url, "UPDATE trial_values SET value = value - 1")
    lowered = "jsonb_set(metrics::jsonb, '{accuracy}', to_jsonb((metrics ->> 'accuracy')::float8 - 1))"
    execute(database_url, f"UPDATE depthsearch.epochs SET metrics = {lowered}::json")
    done("run", *common, "--objective", path, "--workers", "1", "--trials", "3")
    assert str(done("status", *common[:2], *common[4:], "--json").document["best"]["trial"]) == "2"
    spoiled.write_bytes(picture)
    result = done("final", *common, "--out", tmp_path / "out", "--json").document
    assert (result["weights_sha256"], result["look"], result["first_time"]) == (rows[0][0], 1, True)
    assert str(result["trial"]) == rows[0][2] != "2"
    # Other weights could not have used that claim.
    assert os.path.getsize(tmp_path / "out" / "model.safetensors") > 0


STARTED = """
    import json
    import os
    import subprocess
    import sys

    import torch
    from beside import describe
    from torch import nn
    from torch.utils.data import DataLoader, Dataset

    from objectives import Objective
    from spaces import Float, Space

    TEST = {path!r}
    print("a line of the objective's own")


    class Attempt(Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return describe(TEST)


    def train(config, data, report):
        found = {{"the trial": describe(TEST)}}
        for how in (None, "spawn"):
            loader = DataLoader(Attempt(), num_workers=2, multiprocessing_context=how)
            found[f"a data loader, {{how}}"] = next(iter(loader))
        child = subprocess.run([sys.executable, "-c", f"open({{TEST!r}})"], capture_output=True, text=True)
        found["python -c"] = child.stderr
        found["cat"] = len(subprocess.run(["cat", TEST], capture_output=True).stdout)
        with open({found!r}, "w") as file:
            json.dump(found, file)
        os.write(1, b"a line from C")
        for epoch in range(config.epochs):
            report(epoch, {{"accuracy": 0.5}})
        return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, len(data.classes)))


    OBJECTIVE = Objective(data="fashion-mnist", train=train, epochs=1, trials=1, space=Space(x=Float(0, 1)))
"""

BESIDE = """
    def describe(path):
        try:
            open(path, "rb").close()
        except PermissionError as error:
            return f"refused: {error}"
        return "opened"
"""


@pytest.mark.slow
def test_all_that_a_trial_starts_is_sealed_and_imports_what_it_does(
    data: Path, tmp_path: Path, database_url: str
) -> None:
    """The objective's own data set class and the module beside its file are found in every process."""
    found = tmp_path / "found.json"
    held_out = data / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte"
    objective(tmp_path, "beside", BESIDE)
    path = objective(tmp_path, "starts", STARTED.format(path=str(held_out), found=str(found)))
    run = ("run", "--objective", path, "--data", data, "--workers", "1", "--storage", database_url)
    ended = done(*run, "--json")
    assert ended.document["states"]["complete"] == 1
    assert "a line of the objective's own" in ended.err
    assert "a line from C" in ended.err
    outcomes = {name: str(outcome) for name, outcome in json.loads(found.read_text()).items()}
    assert len(outcomes) == 5
    assert (outcomes.pop("cat") == "0") == (find_obstacle() is None)
    assert {name: outcome for name, outcome in outcomes.items() if "is sealed in this process" not in outcome} == {}
    # A change beside the file is a change of the objective, by its path and by the study's name.
    objective(tmp_path, "beside", BESIDE + "\n    # changed\n")
    place = ("--data", data, "--storage", database_url)
    for words in (run, *((command, "--study", "starts", *place) for command in ("run", "worker", "final"))):
        refused = search(*words)
        assert refused.code == 2, refused
        assert "beside.py" in refused.err
