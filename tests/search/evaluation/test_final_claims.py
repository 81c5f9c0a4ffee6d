"""A claim keeps its variants; an objective with its own training has variants, too."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from storage import url
from storage.database import open_database
from storage.leasing.turns import hold_turn
from storage.records import ledger, networks, studies
from tests.conftest import execute
from tests.objectives.data import made
from tests.search.command import done, search

# Two of three classes, no normalization, no dropout; the final training has no validation images.
FLOWERS = """
    from objectives.core.objective import Objective
    from spaces import Fixed, Int, Space

    OBJECTIVE = Objective(
        data="flowers", model="mlp", epochs=1, trials=2, classes=("violet", "rose"), retrain_on_validation=False,
        space=Space(depth=Int(1, 2), width=Fixed(8), learning_rate=Fixed(0.001)),
    )
"""

OWN_TRAINING = """
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    from objectives.core.objective import Objective
    from spaces import Fixed, Space


    def train(config, data, report):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Dropout(0.5), nn.Linear(16, len(data.classes)))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for epoch in range(config.epochs):
            for x, y in data.train.batches(64, order_seed=config.seed + epoch):
                optimizer.zero_grad()
                cross_entropy(model.train()(x), y).backward()
                optimizer.step()
            model.eval()
            right = sum(
                (model(x).argmax(1) == y).sum().item() for x, y in data.validation.batches(512, order_seed=None)
            )
            report(epoch, {"accuracy": right / len(data.validation)})
        return model


    OBJECTIVE = Objective(data="digits", train=train, epochs=2, trials=1, space=Space(unused=Fixed(1)))
"""


# This share of a network this small is all of it.
EVERYTHING = "prune_unstructured:amount=0.9999"


def objective(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(text).lstrip())
    return path


def scores(address: str) -> list[tuple[object, ...]]:
    return execute(address, "SELECT weights_sha256, winner, look FROM depthsearch.scores")


@pytest.fixture
def flowers(tmp_path: Path, database_url: str) -> tuple[str | Path, ...]:
    """The flags of a searched study, one of whose test pictures cannot be read."""
    data = tmp_path / "data"
    for kind in ("train", "test"):
        made.write_folders(data / "flowers" / kind, made.part(3, 20, (6, 6, 3)), ["rose", "tulip", "violet"])
    path = objective(tmp_path, "flowers", FLOWERS)
    flags = ("--study", "flowers", "--objective", path, "--data", data, "--storage", database_url)
    done("run", *flags, "--workers", "1")
    return flags


@pytest.mark.slow
def test_a_claim_continues_only_with_its_variants(
    flowers: tuple[str | Path, ...], tmp_path: Path, database_url: str
) -> None:
    common = (*flowers, "--out", tmp_path / "out")
    with open_database(url.parse(database_url)) as database:
        uuid = studies.get(database.engine, "flowers").uuid
        plain = ledger.Claim(weights_sha256="0" * 64, winner={"trial": 0, "variants": []})
        with hold_turn(database.engine, uuid, "flowers") as turn:
            ledger.claim(turn, "flowers", plain)
    late = search("final", *common, "--variant", "prune_structured")
    assert late.code == 1
    assert "was claimed for the plain network, and prune_structured:amount=0.5 cannot be scored" in late.err
    execute(database_url, "DELETE FROM depthsearch.scores")
    spoiled = next((tmp_path / "data" / "flowers" / "test" / "rose").iterdir())
    picture = spoiled.read_bytes()
    spoiled.write_bytes(picture[: len(picture) // 2])
    measured = done("final", *common, "--measure", "--json", "--variant", EVERYTHING).document
    assert search("final", *common, "--variant", EVERYTHING).code == 1
    [(sha256, winner, look)] = scores(database_url)
    assert look is None
    assert winner["variants"] == [EVERYTHING]  # type: ignore[index]
    spoiled.write_bytes(picture)
    refused = search("final", *common, "--variant", "prune_structured")
    assert refused.code == 1
    assert len([line for line in refused.err.splitlines() if not line.startswith("note: the storage is")]) == 1
    assert f"was claimed for {EVERYTHING}, and prune_structured:amount=0.5 cannot be scored" in refused.err
    assert scores(database_url) == [(sha256, winner, None)]
    result = done("final", *common, "--json").document
    assert (result["first_time"], result["weights_sha256"]) == (True, sha256)
    assert result["variants"] == [EVERYTHING]
    assert result["variant_effects"] == measured["variant_effects"]
    # The variant was applied again: without weights, every image looks the same.
    [(predictions,)] = execute(database_url, "SELECT predictions FROM depthsearch.scores")
    assert len(set(np.frombuffer(predictions, dtype="<i4,<f4").tolist())) == 1  # type: ignore[call-overload]
    assert result["test_examples"] == 40  # two of the three classes
    assert result["retrained_on"] == "train"
    assert "retrained on 36 training images of `flowers`" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.long
def test_an_own_training_has_variants_and_a_large_network_is_not_kept(tmp_path: Path, database_url: str) -> None:
    path = objective(tmp_path, "own", OWN_TRAINING)
    common = ("--study", "own", "--objective", path, "--storage", database_url)
    done("run", *common, "--workers", "1")
    flags = ("--variant", "prune_structured:amount=0.25", "--variant", "mc_dropout:samples=5")
    code = (
        "import sys, storage.records.networks as n; n.LARGEST_BYTES = 10; "
        "from search.cli.app import main; sys.exit(main())"
    )
    final = ("final", *common, *flags, "--json", "--out", tmp_path / "out")
    ended = subprocess.run(
        [sys.executable, "-P", "-c", code, *map(str, final)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    plain, pruned, sampled = result["variant_effects"]
    assert plain["validation_accuracy"] == pytest.approx(result["validation_accuracy"], abs=1e-6)
    assert pruned["zeros"] == sampled["zeros"] == 4 * 64 / (64 * 16 + 16 * 10)
    assert sampled["validation_loss"] != pruned["validation_loss"]
    assert "MiB are not kept in the storage" in ended.stderr
    with open_database(url.parse(database_url)) as database:
        assert networks.find_for_study(database.engine, "own") is None
