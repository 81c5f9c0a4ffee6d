"""What the winner is retrained on and for how long, and the ensemble of its snapshots.

The tests share one study and run in the order written.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from objectives.data.sources.digits import HELD_OUT_FILE
from tests.conftest import copied, execute
from tests.search.command import done, search

# Two dips in eight epochs, and a rate at which the early ones are better than chance already.
DIPS = """
    from objectives.base.registry import choose
    from objectives.core.objective import Objective
    from objectives.schedules.catalogue import SCHEDULES
    from spaces import Fixed, Float, Space

    OBJECTIVE = Objective(
        data="digits", model="mlp", epochs=8, trials=1, validation_fraction=0.2,
        space=Space(
            depth=Fixed(1), width=Fixed(16), learning_rate=Float(0.009, 0.01), batch_size=Fixed(32),
            schedule=choose(SCHEDULES, "cosine_dips", dips=Fixed(2)),
        ),
    )
"""
FLAGS = ("--all", "--epochs", "full", "--variant", "snapshot_ensemble:members=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, server: str, template: str) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("retraining")
    with copied(server, template) as address:
        (folder / "url").write_text(address)
        yield folder


@pytest.fixture(autouse=True)
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One home and one cache for the whole file instead of one for each test."""
    monkeypatch.setenv("SEARCH_HOME", str(folder))
    monkeypatch.setenv("SEARCH_CACHE", str(folder / "cache"))


@pytest.fixture(scope="module")
def common(folder: Path) -> tuple[str | Path, ...]:
    """The flags of a study that was searched on 300 of the training images."""
    path = folder / "dips.py"
    path.write_text(textwrap.dedent(DIPS).lstrip())
    flags = ("--study", "dips", "--objective", path, "--storage", (folder / "url").read_text())
    environment = {"SEARCH_HOME": str(folder), "SEARCH_CACHE": str(folder / "cache")}
    done("run", *flags, "--workers", "1", "--device", "cpu", "--train-examples", "300", env=environment)
    return flags


@pytest.mark.slow
def test_a_snapshot_ensemble_is_measured_on_the_trial_itself(common: tuple[str | Path, ...]) -> None:
    measured = done("final", *common, "--measure", "--json", "--variant", "snapshot_ensemble").document
    plain, ensemble = measured["variant_effects"]
    best = done("status", *common[:2], *common[4:], "--json").document["best"]
    assert plain["validation_accuracy"] == best["value"]
    assert ensemble["parameters"] == 2 * plain["parameters"]
    assert abs(ensemble["validation_accuracy"] - plain["validation_accuracy"]) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epochs", "8"], "must be best (up to the winner's best epoch) or full"),
        (["--measure", "--all"], "--all and --epochs are about its retraining"),
    ],
)
def test_what_cannot_be_meant_is_refused(common: tuple[str | Path, ...], flags: list[str], message: str) -> None:
    ended = search("final", *common, *flags)
    assert (ended.code, len(ended.lines)) == (2, 1)
    assert message in ended.err


@pytest.mark.slow
def test_an_interrupted_score_continues_with_the_claimed_images_epochs_and_snapshots(
    common: tuple[str | Path, ...], folder: Path
) -> None:
    out = folder / "out"
    held_out = folder / "cache" / HELD_OUT_FILE
    held_out.write_bytes(b"damaged")
    assert search("final", *common, *FLAGS, "--out", out).code == 1
    held_out.unlink()
    [(winner,)] = execute(str(common[-1]), "SELECT winner FROM depthsearch.scores")
    assert winner["retraining"] == {"all_images": True, "full": True}  # type: ignore[index]
    snapshots = (out / "snapshots.safetensors").read_bytes()
    assert hashlib.sha256(snapshots).hexdigest() == winner["snapshots_sha256"]  # type: ignore[index]
    other = search("final", *common, "--epochs", "best", "--out", out)
    assert other.code == 1
    assert (
        "claimed for a retraining on all training images for all epochs, and one on the study's training" in other.err
    )
    result = done("final", *common, "--json", "--out", out).document
    assert (out / "snapshots.safetensors").read_bytes() == snapshots
    assert (result["first_time"], result["epochs"], result["variants"]) == (True, 8, ["snapshot_ensemble:members=2"])
    assert result["retrained_on"] == "train + validation"
    assert result["retrained_examples"] == 1797 - result["test_examples"]
    assert result["test_accuracy"] == by_hand(out, folder / "cache")
    assert result["abstention"][0] == {"coverage": 1.0, "accuracy": result["test_accuracy"]}
    assert json.loads((out / "config.json").read_text())["result"]["retraining"]["all_images"] is True
    assert "retrained on all 1,438 training and validation images of `digits`" in (out / "README.md").read_text()


def by_hand(out: Path, cache: Path) -> float:
    """The test accuracy of the mean probabilities of the two networks in the folder."""
    import torch
    from safetensors.torch import load_file

    from objectives.data.batches.pixel_statistics import compute_pixel_statistics
    from objectives.data.cache import prepare
    from objectives.data.heldout import open_heldout
    from objectives.models.catalogue import MODELS
    from objectives.models.config import MlpConfig

    prepared, held_out = prepare("digits", cache / "data", cache), open_heldout("digits", cache / "data", cache)
    mean, std = compute_pixel_statistics(prepared.images(), np.arange(prepared.examples))
    x_BCHW = (torch.from_numpy(held_out.images).float().permute(0, 3, 1, 2) / 255 - mean[0]) / std[0]
    states = load_file(out / "snapshots.safetensors")
    total = torch.zeros(len(held_out.labels), 10)
    for number in ("0.", "1."):
        model = MODELS["mlp"].build(MlpConfig(depth=1, width=16), (1, 8, 8), 10).eval()
        model.load_state_dict({k.removeprefix(number): v for k, v in states.items() if k.startswith(number)})
        with torch.no_grad():
            total += model(x_BCHW).softmax(dim=1)
    return int((total.argmax(dim=1).numpy() == held_out.labels).sum()) / len(held_out.labels)


@pytest.mark.slow
def test_a_stored_score_names_how_it_was_retrained(common: tuple[str | Path, ...]) -> None:
    ended = done("final", *common[:2], *common[4:], "--epochs", "best", "--json")
    assert any(
        line.startswith("note: this is the score of a retraining on all training images for all epochs, not on")
        for line in ended.lines
    )


@pytest.mark.slow
def test_by_default_it_is_what_the_search_saw_and_ends_at_the_best_epoch(
    common: tuple[str | Path, ...], folder: Path
) -> None:
    best = done("status", *common[:2], *common[4:], "--json").document["best"]
    execute(
        str(common[-1]),
        "UPDATE depthsearch.epochs SET metrics = (metrics::jsonb || '{\"accuracy\": 0.99}')::json WHERE epoch = 1",
    )
    execute(str(common[-1]), "UPDATE trial_intermediate_values SET intermediate_value = 0.99 WHERE step = 1")
    execute(str(common[-1]), "UPDATE trial_values SET value = 0.99")
    ended = done("final", *common, "--reopen", "the best epoch was corrected", "--json", "--out", folder / "again")
    result = ended.document
    assert best["epoch"] != 1
    assert (result["epochs"], result["retrained_examples"]) == (2, 300 + 288)
    [note] = [line for line in ended.lines if "was best after epoch" in line]
    assert note.startswith("note: trial 0 was best after epoch 2, and its retraining ends there at a learning rate")
    assert note.endswith("that the trial ended with; --epochs full trains all 8")


@pytest.mark.slow
def test_rates_that_are_not_stored_are_not_told(common: tuple[str | Path, ...], folder: Path) -> None:
    """As of a study whose metrics were stored by an early version, or were deleted since."""
    for number, missing in enumerate(("epoch > 0", "true")):
        execute(str(common[-1]), f"DELETE FROM depthsearch.epochs WHERE {missing}")
        if missing == "epoch > 0":
            execute(str(common[-1]), "UPDATE trial_values SET value = (SELECT (metrics::jsonb->>'accuracy')::float "
                    "FROM depthsearch.epochs)")  # fmt: skip
        else:
            execute(str(common[-1]), "UPDATE trial_values SET value = 0.99")
        reason = f"the curve is not whole any more {number}"
        ended = done("final", *common, "--reopen", reason, "--json", "--out", folder / f"missing-{number}")
        assert ended.document["epochs"] == 2
        [note] = [line for line in ended.lines if "was best after epoch" in line]
        assert note.endswith("and its retraining ends there; --epochs full trains all 8")
