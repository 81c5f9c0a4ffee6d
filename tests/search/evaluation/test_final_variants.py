"""Variants of the final network: named on the command line, measured on validation data, scored once.

The tests of the study on digits share it and run in the order written.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectives.data.sources.digits import HELD_OUT_FILE
from spaces import Choice
from storage import url
from storage.database import open_database
from storage.records import networks
from tests.conftest import copied, execute
from tests.search.command import done, search
from tests.search.tracing import run_traced

STUDY = "normal"
FLAGS = ("--variant", "prune_unstructured:amount=0.9", "--variant", "fold_batch_norm")
VARIANTS = ["prune_unstructured:amount=0.9", "fold_batch_norm"]
EFFECT = {"variant", "validation_accuracy", "validation_loss", "zeros", "parameters"}

# One layer in front of the output, of a width that the tests count by.
NORMAL = """
    from objectives.core.objective import Objective
    from spaces import Fixed, Float, Space

    OBJECTIVE = Objective(
        data="digits", model="mlp", epochs=3, trials=2, validation_fraction=0.2,
        space=Space(
            depth=Fixed(1), width=Fixed(32), dropout=Fixed(0.3), normalization=Fixed("batch_norm"),
            learning_rate=Float(0.003, 0.01, log=True),
        ),
    )
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, server: str, template: str) -> Iterator[Path]:
    """A folder for the whole file, with the URL of a database for it."""
    folder = tmp_path_factory.mktemp("variants")
    with copied(server, template) as address:
        (folder / "url").write_text(address)
        yield folder


@pytest.fixture(scope="module")
def common(folder: Path) -> tuple[str | Path, ...]:
    """The flags that every command on the study has, after it was searched."""
    path = folder / f"{STUDY}.py"
    path.write_text(textwrap.dedent(NORMAL).lstrip())
    flags = ("--study", STUDY, "--objective", path, "--storage", (folder / "url").read_text())
    environment = {"SEARCH_HOME": str(folder), "SEARCH_CACHE": str(folder / "cache")}
    done("run", *flags, "--workers", "2", "--device", "cpu", env=environment)
    return flags


@pytest.fixture(autouse=True)
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One home and one cache for the whole file instead of one for each test."""
    monkeypatch.setenv("SEARCH_HOME", str(folder))
    monkeypatch.setenv("SEARCH_CACHE", str(folder / "cache"))
    return folder


def scores(address: str) -> list[tuple[object, ...]]:
    return execute(address, "SELECT weights_sha256, winner, look FROM depthsearch.scores")


def best(common: tuple[str | Path, ...]) -> dict[str, Any]:
    found: dict[str, Any] = done("status", *common[:2], *common[4:], "--json").document["best"]
    return found


@pytest.mark.slow
def test_measuring_needs_no_test_file_and_claims_nothing(common: tuple[str | Path, ...], folder: Path) -> None:
    held_out = folder / "cache" / HELD_OUT_FILE
    held_out.write_bytes(b"nobody reads this")
    measured = done("final", *common, *FLAGS, "--measure", "--json", "--out", folder / "none").document
    assert held_out.read_bytes() == b"nobody reads this"
    held_out.unlink()
    (folder / "measured.json").write_text(json.dumps(measured))
    winner = best(common)
    assert (measured["study"], measured["trial"], measured["variants"]) == (STUDY, winner["trial"], VARIANTS)
    plain, pruned, folded = measured["variant_effects"]
    assert plain.keys() == pruned.keys() == folded.keys() == EFFECT
    assert [plain["variant"], pruned["variant"], folded["variant"]] == [None, *VARIANTS]
    # The very network of the trial, on as many threads: equal to the last digit.
    assert plain["validation_accuracy"] == winner["value"]
    weights, others = 64 * 32 + 32 * 10, 2 * 32 + 10  # no bias in front of the norm
    assert [effect["parameters"] for effect in (plain, pruned)] == [weights + others] * 2
    assert folded["parameters"] == weights + 32 + 10
    assert plain["zeros"] == 0
    assert pruned["zeros"] == folded["zeros"] == round(0.9 * weights) / weights
    assert pruned["validation_accuracy"] < plain["validation_accuracy"]
    assert pruned["validation_loss"] > plain["validation_loss"]
    assert folded["validation_loss"] == pytest.approx(pruned["validation_loss"], abs=1e-5)
    assert scores(str(common[-1])) == []
    assert not (folder / "none").exists()


@pytest.mark.slow
@pytest.mark.long
def test_measuring_opens_no_test_file(common: tuple[str | Path, ...], folder: Path) -> None:
    log = folder / "trace"
    ended = run_traced(log, "final", *common, *FLAGS, "--measure", "--out", folder / "none")
    assert ended.code == 0, ended.err
    opened_files = log.read_text()
    assert "images.npy" in opened_files, "the trace saw no data at all"
    assert HELD_OUT_FILE not in opened_files


@pytest.mark.slow
def test_measuring_for_people(common: tuple[str | Path, ...]) -> None:
    shown = done("final", *common, "--measure", "--variant", "mc_dropout:samples=4").out.splitlines()
    assert shown[0].endswith("as trained in the search, on the validation images; the test set was not opened:")
    assert [line.split("  ")[0].strip() for line in shown[1:4]] == [
        "variant",
        "the trial's own network",
        "+ mc_dropout:samples=4",
    ]
    assert shown[4].startswith("standard deviation of the predicted class's probability over the samples: 0.")
    assert shown[5].startswith("accuracy if only the most certain images (by deviation) are answered: 0.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--variant", "prune"], "unknown variant 'prune'; known: "),
        (["--variant", "prune_structured:amount"], "reads NAME or NAME:option=value"),
        (["--variant", "mc_dropout", "--variant", "fold_batch_norm"], "'fold_batch_norm' changes weights"),
        (["--variant", "fold_batch_norm", "--variant", "fold_batch_norm"], "needs a batch norm directly after"),
    ],
)
def test_wrong_variants_are_usage_errors_that_claim_nothing(
    common: tuple[str | Path, ...], flags: list[str], message: str
) -> None:
    ended = search("final", *common, *flags)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert len(ended.lines) == 1
    assert scores(str(common[-1])) == []


@pytest.mark.slow
def test_the_declared_variant_is_scored_once(common: tuple[str | Path, ...], folder: Path) -> None:
    out = folder / "out"
    result = done("final", *common, *FLAGS, "--json", "--out", out).document
    measured = json.loads((folder / "measured.json").read_text())
    assert (result["first_time"], result["look"], result["retrained_on"]) == (True, 1, "train + validation")
    assert (result["variants"], result["variant_effects"]) == (VARIANTS, measured["variant_effects"])
    [(sha256, winner, _)] = scores(str(common[-1]))
    assert winner["variants"] == VARIANTS  # type: ignore[index]
    # The hash is that of the weights before the variants, and these are what is kept and written.
    weights = (out / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == sha256 == result["weights_sha256"]
    plain, with_variants = by_hand(out, folder / "cache")
    assert result["test_accuracy"] == with_variants != plain
    card = (out / "README.md").read_text()
    assert "with `prune_unstructured:amount=0.9`, `fold_batch_norm` applied" in card
    assert "| + prune_unstructured:amount=0.9 | 0." in card


def by_hand(out: Path, cache: Path) -> tuple[float, float]:
    """The test accuracy of the weights in the folder, as they are and with the variants."""
    import torch
    from safetensors.torch import load_file

    from objectives.data.batches.pixel_statistics import compute_pixel_statistics
    from objectives.data.cache import prepare
    from objectives.data.heldout import open_heldout
    from objectives.models.catalogue import MODELS
    from objectives.models.config import MlpConfig
    from objectives.variants.apply import apply_variants

    config = MlpConfig(depth=1, width=32, dropout=0.3, normalization="batch_norm")
    model = MODELS["mlp"].build(config, (1, 8, 8), 10)
    model.load_state_dict(load_file(out / "model.safetensors"))
    prepared = prepare("digits", cache / "data", cache)
    mean, std = compute_pixel_statistics(prepared.images(), np.arange(prepared.examples))
    held_out = open_heldout("digits", cache / "data", cache)
    images = torch.from_numpy(held_out.images).float().permute(0, 3, 1, 2)
    x_BCHW = (images / 255 - mean[0]) / std[0]
    variants = [Choice("prune_unstructured", {"amount": 0.9}), Choice("fold_batch_norm")]
    found = []
    for network in (model.eval(), apply_variants(model, variants)):
        with torch.no_grad():
            predicted = network(x_BCHW).argmax(dim=1).numpy()
        found.append(int((predicted == held_out.labels).sum()) / len(held_out.labels))
    return found[0], found[1]


@pytest.mark.slow
def test_a_scored_study_prints_what_is_stored(common: tuple[str | Path, ...], folder: Path) -> None:
    study = (*common[:2], *common[4:])
    again = done("final", *study, "--json")
    assert again.document["first_time"] is False
    assert again.document["variants"] == VARIANTS
    assert done("final", *study, "--json", *FLAGS).lines == []
    other = done("final", *study, "--json", "--variant", "mc_dropout")
    assert other.document == again.document
    assert "\n".join(other.lines) == (
        "note: this is the score of prune_unstructured:amount=0.9 + fold_batch_norm, not of mc_dropout:samples=50; "
        "to score that too, which is a further look at the test set, add --reopen REASON"
    )
    shown = done("final", *study).out
    assert "scored with prune_unstructured:amount=0.9 + fold_batch_norm" in shown
    assert "+ fold_batch_norm " in shown
    assert done("status", *study, "--json").document["final"]["variants"] == VARIANTS


@pytest.mark.slow
def test_the_plain_network_is_kept_for_other_studies(common: tuple[str | Path, ...], folder: Path) -> None:
    with open_database(url.parse(str(common[-1]))) as database:
        network = networks.find_for_study(database.engine, STUDY)
    assert network is not None
    assert network.weights == (folder / "out" / "model.safetensors").read_bytes()
    assert network.sha256 == hashlib.sha256(network.weights).hexdigest()
    stored = json.loads((folder / "out" / "config.json").read_text())
    assert network.description == {
        "study": STUDY,
        "objective": STUDY,
        "model": "mlp",
        "configuration": stored["configuration"],
        "image_shape": [1, 8, 8],
        "classes": [str(digit) for digit in range(10)],
    }
