"""What the final step leaves in a folder beside the weights: configuration and model card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search.errors import SearchError
from search.evaluation.reopening import format_openings
from search.evaluation.variant_args import EFFECTS, effect_rows
from search.study.spec import StudySpec
from storage.files import write_file

WEIGHTS_FILE = "model.safetensors"
CONFIGURATION = "config.json"
CARD = "README.md"


def write_model_card(folder: Path, result: Mapping[str, Any], winner: Mapping[str, Any], spec: StudySpec) -> None:
    """Write the configuration file and the model card beside the weights that were scored.

    `result` is as the ledger gives it, `winner` as the claim has it.

    Raises:
        SearchError: they cannot be written.
    """
    facts = {
        "objective": spec.objective,
        "dataset": spec.dataset,
        "finished": winner["finished"],
        "versions": spec.versions,
    }
    document = {
        **facts,
        "configuration": winner["configuration"],
        "result": result,
        "space_digest": spec.space_digest,
    }
    write_whole(folder / CARD, render_card(result, facts).encode())
    # Last: where this file is, the other two are.
    write_whole(folder / CONFIGURATION, (json.dumps(document, indent=2) + "\n").encode())


def lacks_model_card(folder: Path, result: Mapping[str, Any]) -> bool:
    """Whether the folder has the weights that were scored but not their description: its writer was killed."""
    weights = folder / WEIGHTS_FILE
    if not weights.is_file() or hashlib.sha256(weights.read_bytes()).hexdigest() != result["weights_sha256"]:
        return False
    try:
        look = json.loads((folder / CONFIGURATION).read_bytes())["result"]["look"]
    except (OSError, ValueError, LookupError, TypeError):
        return True
    return bool(look != result["look"])


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        SearchError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data)
    except OSError as error:
        raise SearchError(f"{path} cannot be written ({error.strerror}); name another folder with --out") from None


def render_card(result: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """The model card, in Markdown: what the network is, how it was found, what it scored."""
    low, high = result["test_interval_95"]
    params = "\n".join(f"| {name} | {value} |" for name, value in result["params"].items())
    images = "training images" if result["retrained_on"] == "train" else "training and validation images"
    return f"""# {result["study"]}

The winner of the hyperparameter study `{result["study"]}` (objective `{facts["objective"]}`), trial
{result["trial"]}, trained again on the {images} of `{facts["dataset"]}`.

| | |
|---|---|
| test accuracy | {result["test_accuracy"]:.4f} on {result["test_examples"]} images, scored once |
| macro F1, expected calibration error | {result["macro_f1"]:.4f}, {result["calibration_error"]:.4f} |
| 95% interval | {low:.4f} to {high:.4f} (Wilson) |
| validation accuracy in the search | {result["validation_accuracy"]:.4f}, {_chosen(result, facts)} |
| distance from search to test | {result["selection_gap"]:+.4f} |
| look at this test set | number {result["look"]} in its storage |
| scored | {result["scored_at"]} |
| epochs | {result["epochs"]} |
| seed | {result["seed"]} |
| weights | `{WEIGHTS_FILE}`, SHA-256 `{result["weights_sha256"]}` |

## Configuration

| parameter | value |
|---|---|
{params}
{_variants(result)}{_openings(result)}
## Limits

The accuracy holds for images like those of the test set. The validation accuracy is that of a winner among
{facts["finished"]} trials, and so tends to be too high; the test accuracy is not chosen.

Trained with {", ".join(f"{name} {number}" for name, number in facts["versions"].items())}.
"""


def _chosen(result: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Which of the study's trials the winner is; with how it was confirmed in a row of its own."""
    trials, confirmation = f"of {facts['finished']} trials", result["confirmation"]
    if confirmation is None:
        return f"the best {trials}"
    low, high = confirmation["selection_optimism_interval_95"]
    return (
        f"among the best {len(confirmation['candidates'])} {trials}, chosen by {confirmation['seeds']} further "
        f"seeds each |\n| selection optimism | {confirmation['selection_optimism']:+.4f} (95% interval {low:+.4f} "
        f"to {high:+.4f}): the search's best value less this configuration's mean over fresh seeds"
    )


def _openings(result: Mapping[str, Any]) -> str:
    """The section of the model card on earlier scores; empty where there are none."""
    openings = result["openings"]
    if len(openings) == 1:
        return ""
    rows = "\n".join(f"- {line}" for line in format_openings(openings))
    return f"""
## Openings of the test set

The study claimed this test set {len(openings)} times; the accuracy above is that of the last score.

{rows}
"""


def _variants(result: Mapping[str, Any]) -> str:
    """The section of the model card on variants; empty where the network was scored as it is."""
    if not result["variants"]:
        return ""
    lines = [EFFECTS, ("---",) * len(EFFECTS), *effect_rows(result["variant_effects"])]
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"""
## Variants

The test accuracy is that of the network with {", ".join(f"`{name}`" for name in result["variants"])} applied;
the weights in `{WEIGHTS_FILE}` are those before. What they do was measured beforehand, on validation images and the
network of the trial itself:

{rows}
"""
