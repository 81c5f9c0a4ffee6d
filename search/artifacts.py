"""What the final step leaves in a folder: weights, configuration, model card."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import nn

from search.errors import SearchError
from search.variants import EFFECTS, effect_rows

WEIGHTS = "model.safetensors"
CONFIGURATION = "config.json"
CARD = "README.md"


def pack_weights(model: nn.Module) -> tuple[bytes, str]:
    """The weights (and buffers) as the content of a safetensors file, and its SHA-256."""
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()})
    return data, hashlib.sha256(data).hexdigest()


def load_weights(folder: Path, model: nn.Module, sha256: str) -> bytes | None:
    """Load the weights with this hash if the folder has them; returns the file's content, None if it has not."""
    path = folder / WEIGHTS
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != sha256:
        return None
    model.load_state_dict(load(data))
    return data


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON document."""
    write(path, (json.dumps(value, indent=2, default=str) + "\n").encode())


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        SearchError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SearchError(f"{path} cannot be written ({error.strerror}); name another folder with --out") from None


def card(result: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """The model card, in Markdown: what the network is, how it was found, what it scored."""
    low, high = result["test_interval_95"]
    params = "\n".join(f"| {name} | {value} |" for name, value in result["params"].items())
    images = "training and validation images" if result["retrained_on"] != "train" else "training images"
    return f"""# {result["study"]}

The winner of the hyperparameter study `{result["study"]}` (objective `{facts["objective"]}`), trial
{result["trial"]}, trained again on the {images} of `{facts["dataset"]}`.

| | |
|---|---|
| test accuracy | {result["test_accuracy"]:.4f} on {result["test_examples"]} images, scored once |
| 95% interval | {low:.4f} to {high:.4f} (Wilson) |
| validation accuracy in the search | {result["validation_accuracy"]:.4f}, the best of {facts["finished"]} trials |
| distance from search to test | {result["selection_gap"]:+.4f} |
| look at this test set | number {result["look"]} in its storage |
| scored | {result["scored_at"]} |
| epochs | {result["epochs"]} |
| seed | {result["seed"]} |
| weights | `{WEIGHTS}`, SHA-256 `{result["weights_sha256"]}` |

## Configuration

| parameter | value |
|---|---|
{params}
{_variants(result)}
## Limits

The accuracy holds for images like those of the test set. The validation accuracy is that of a winner among
{facts["finished"]} trials, and so tends to be too high; the test accuracy is not chosen.

Trained with {", ".join(f"{name} {number}" for name, number in facts["versions"].items())}.
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
the weights in `{WEIGHTS}` are those before. What they do was measured beforehand, on validation images and the
network of the trial itself:

{rows}
"""
