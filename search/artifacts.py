"""What the final step leaves in a folder: weights, configuration, model card."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import nn

from search.errors import SearchError

WEIGHTS = "model.safetensors"
CONFIGURATION = "config.json"
CARD = "README.md"


def pack_weights(model: nn.Module) -> tuple[bytes, str]:
    """The weights (and buffers) as the content of a safetensors file, and its SHA-256."""
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()})
    return data, hashlib.sha256(data).hexdigest()


def load_weights(folder: Path, model: nn.Module, sha256: str) -> bool:
    """Load the weights if the folder has those with this hash; returns whether it had."""
    path = folder / WEIGHTS
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        return False
    model.load_state_dict(load_file(path))
    return True


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
    return f"""# {result["study"]}

The winner of the hyperparameter study `{result["study"]}` (objective `{facts["objective"]}`), trial
{result["trial"]}, trained again on training and validation images of `{facts["dataset"]}` together.

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

## Limits

The accuracy holds for images like those of the test set. The validation accuracy is that of a winner among
{facts["finished"]} trials, and so tends to be too high; the test accuracy is not chosen.

Trained with {", ".join(f"{name} {number}" for name, number in facts["versions"].items())}.
"""
