"""A user's own objective: from a file, with its own model or its own training; and a newcomer's walk."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

import pytest

from tests.search.command import done, search
from tests.test_architecture import MAY_IMPORT, ROOT

OWN_MODEL = """
    from torch import nn

    from objectives.core.objective import Objective
    from spaces import Float, Int, Space

    print("a line of the file's own")


    def build_model(config):
        channels, height, width = config.image_shape
        return nn.Sequential(
            nn.Flatten(), nn.Linear(channels * height * width, config.units), nn.ReLU(),
            nn.Linear(config.units, config.classes),
        )


    OBJECTIVE = Objective(
        data="digits",
        build_model=build_model,
        epochs=3,
        trials=2,
        space=Space(units=Int(8, 64, log=True), learning_rate=Float(1e-3, 1e-2, log=True)),
    )
"""

OWN_TRAINING = """
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    from objectives.core.objective import Objective
    from spaces import Float, Space

    print("a line of the file's own")


    def train(config, data, report):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, len(data.classes))).to(data.device)
        optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
        for epoch in range(config.epochs):
            for x, y in data.train.batches(64, order_seed=config.seed + epoch):
                optimizer.zero_grad()
                cross_entropy(model(x), y).backward()
                optimizer.step()
            right = sum(
                (model(x).argmax(1) == y).sum().item() for x, y in data.validation.batches(512, order_seed=None)
            )
            report(epoch, {"accuracy": right / len(data.validation)})
        return model


    OBJECTIVE = Objective(
        data="digits", train=train, epochs=3, trials=2, space=Space(learning_rate=Float(1e-3, 1e-1, log=True))
    )
"""

BROKEN = """
    from objectives.core.objective import Objective
    from spaces import Float, Space


    def train(config, data, report):
        raise KeyError("a bug of mine")


    OBJECTIVE = Objective(data="digits", train=train, trials=20, space=Space(x=Float(0, 1)))
"""

NEWCOMER = '''
    """Only the width of a one-layer network on digits."""

    from objectives.core.objective import Objective
    from objectives.base.registry import choose
    from objectives.optimizers.catalogue import OPTIMIZERS
    from spaces import Fixed, Space, standard

    OBJECTIVE = Objective(
        description="how wide should one hidden layer be?",
        data="digits",
        model="mlp",
        epochs=2,
        trials=2,
        space=Space(
            depth=Fixed(1),
            width=standard.width(8, 128),
            optimizer=choose(OPTIMIZERS, "adamw", weight_decay=Fixed(0.01)),
        ),
    )
'''


@pytest.fixture(autouse=True)
def remote(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a storage that runs already, which saves each command the start of its own."""
    monkeypatch.setenv("SEARCH_STORAGE", database_url)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text).lstrip())
    return path


@pytest.mark.slow
@pytest.mark.parametrize("text", [OWN_MODEL, OWN_TRAINING], ids=["own model", "own training"])
def test_a_file_is_searched_and_scored(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, "my_own.py", text)
    done("run", "--objective", path, "--workers", "1")
    shown = done("status", "--study", "my-own", "--json").document
    assert shown["states"]["complete"] + shown["states"]["pruned"] == 2
    # The machine remembers where the file lies; only its hash is in the storage.
    ended = done("final", "--study", "my-own", "--json", "--out", tmp_path / "out")
    assert ended.document["first_time"] is True
    assert ended.document["test_examples"] == 359
    space = done("space", "--objective", path, "--json")
    assert "learning_rate" in [row["name"] for row in space.document["space"]]
    # What the file prints is on stderr, and stdout is one document.
    assert all("a line of the file's own" in each.err for each in (ended, space))


@pytest.mark.slow
def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "my_own.py", OWN_MODEL)
    done("run", "--objective", path, "--workers", "1")
    write(tmp_path, "my_own.py", OWN_MODEL.replace("Int(8, 64", "Int(8, 32"))
    refused = search("run", "--objective", path, "--trials", "3")
    assert refused.code == 2
    assert "objective_hash" in refused.err
    assert "units: 8:64 log -> 8:32 log" in refused.err


@pytest.mark.slow
def test_the_same_bug_three_times_stops_the_study(tmp_path: Path) -> None:
    path = write(tmp_path, "broken.py", BROKEN)
    ended = search("run", "--objective", path, "--workers", "1")
    assert ended.code == 1
    assert "3 trials failed in the same way (KeyError: 'a bug of mine')" in ended.err
    assert "Traceback" not in ended.err
    shown = done("status", "--study", "broken", "--json").document
    assert shown["states"]["fail"] == 3
    assert "a bug of mine" in shown["errors"][0]["traceback"]
    assert shown["budget"]["left"] == 20


@pytest.fixture
def newcomer(tmp_path: Path) -> dict[str, str]:
    """Copy the packages, add one file of under 40 lines, and return an environment in which they are found first."""
    for package in MAY_IMPORT:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    path = write(tmp_path / "objectives" / "studies", "digits_width.py", NEWCOMER)
    assert len(path.read_text().splitlines()) < 40
    return {"PYTHONPATH": str(tmp_path)}


def test_one_file_is_a_new_objective(newcomer: dict[str, str]) -> None:
    assert "digits-width" in done("space", env=newcomer).out


@pytest.mark.long
def test_a_study_of_a_new_objective_runs(newcomer: dict[str, str]) -> None:
    shown = done("run", "--study", "digits-width", "--workers", "1", "--json", env=newcomer).document
    assert shown["states"]["complete"] + shown["states"]["pruned"] == 2
    assert set(shown["best"]["params"]) == {"width", "adamw.learning_rate"}
