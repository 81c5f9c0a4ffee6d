"""The model card of an exported network: metadata that the Hugging Face Hub reads, and Markdown for people."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from objectives.base.printable import escape_controls, escape_markdown, format_code
from search.evaluation.model_card import ModelCard
from search.evaluation.results.claimed import ClaimedWinner
from search.evaluation.results.score import Score
from search.export.networks.description import describe_preprocessing
from search.export.networks.found import FoundNetwork
from storage.records import ledger

TASK = "image-classification"
LONGEST_IDENTIFIER = 96
TAGS = (TASK, "pytorch", "hyperparameter-search", "optuna")


def render_card(network: FoundNetwork, *, has_program: bool) -> str:
    """Return the text of README.md.

    has_program: whether model.pt2 is beside it.
    """
    metadata = render_metadata(network.score if network.is_scored_one else None, network.final_step.spec.dataset)
    parts = [metadata, _render_body(network), _render_usage(network) if has_program else ""]
    return "\n".join(part for part in parts if part)


def render_metadata(score: Score | None, dataset: str) -> str:
    """Return the front matter, a line of JSON (which is YAML) for each key.

    Args:
        score: Of the exported network itself; None if it has none.
        dataset: The name of its data set.
    """
    metadata: dict[str, object] = {"library_name": "pytorch", "pipeline_tag": TASK, "tags": list(TAGS)}
    if score is not None:
        metadata["model-index"] = [_describe_result(score, dataset)]
    lines = [f"{key}: {_dump(value)}" for key, value in metadata.items()]
    return "\n".join(("---", *lines, "---", ""))


def _describe_result(score: Score, dataset: str) -> Mapping[str, object]:
    low, high = score.test_interval_95
    metric = {
        "type": "accuracy",
        "name": f"Test accuracy (95% interval {low:.4f} to {high:.4f}, {score.test_examples} images, scored once)",
        "value": round(score.test_accuracy, 6),
        "args": {"interval_95": [round(low, 6), round(high, 6)], "examples": score.test_examples},
    }
    return {
        "name": escape_controls(score.study),
        "results": [
            {
                "task": {"type": TASK, "name": "Image classification"},
                "dataset": {"type": _make_identifier(dataset), "name": escape_controls(dataset), "split": "test"},
                "metrics": [metric],
            }
        ],
    }


def _make_identifier(dataset: str) -> str:
    """Return a name in the form of those on the Hub: letters, digits, and single hyphens and dots between them."""
    plain = re.sub(r"[^A-Za-z0-9_]*[^A-Za-z0-9._-][^A-Za-z0-9_]*|[.-]{2,}", "-", dataset)
    return plain[:LONGEST_IDENTIFIER].strip("-.") or "dataset"


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _render_body(network: FoundNetwork) -> str:
    score = network.score
    if score is None:
        return _render_unscored(network)
    step = network.final_step
    openings = ledger.list_openings(step.engine, step.record.uuid, step.spec.dataset)
    claims = [opening.claim for opening in openings if opening.look == score.look]
    winner = ClaimedWinner.from_json(claims[0].winner) if claims else ClaimedWinner(trial=score.trial)
    text = ModelCard(score=score, winner=winner, spec=step.spec).render()
    if network.left_out:
        text += (
            f"\nThe network in this folder predicts without {', '.join(map(format_code, network.left_out))}, which "
            "no exported network can have: the test accuracy above is not exactly its own.\n"
        )
    return text


def _render_unscored(network: FoundNetwork) -> str:
    spec, trial = network.final_step.spec, network.winner.trial
    name = network.final_step.record.name
    params = "\n".join(
        f"| {escape_markdown(key)} | {escape_markdown(str(value))} |" for key, value in trial.params.items()
    )
    return f"""# {escape_markdown(name)}

The network of the best trial so far, {trial.number}, of the hyperparameter study {format_code(name)} (objective
{format_code(spec.objective)}), trained on the training images of {format_code(spec.dataset)}.

It has not been scored on test images. Its validation accuracy, {trial.value or 0.0:.4f}, tends to be too high, because
the trial was selected by it.

## Configuration

| parameter | value |
|---|---|
{params}

Trained with {", ".join(escape_markdown(f"{key} {number}") for key, number in spec.versions.items())}.
"""


def _render_usage(network: FoundNetwork) -> str:
    """Return the section on predicting with PyTorch alone."""
    images = describe_preprocessing(network)
    resized = (
        f"Images have {images.height} x {images.width} pixels: none were resized for the training."
        if images.resize is None
        else f"For the training, an image's shorter side was resized to {images.resize} pixels (bilinear), and the "
        "central square cut out."
    )
    return f"""## Use

`model.pt2` needs PyTorch and nothing else. It takes batches of any size of
{"grayscale" if images.channels == 1 else "RGB"} images as uint8 (batch, height, width, channels), normalizes them
itself, and returns the classes' probabilities. {resized}

```python
import json
import torch

with open("config.json") as file:
    labels = json.load(file)["labels"]
network = torch.export.load("model.pt2").module()
images = torch.zeros(1, {images.height}, {images.width}, {images.channels}, dtype=torch.uint8)  # yours
for probabilities in network(images):
    print(labels[int(probabilities.argmax())], float(probabilities.max()))
```

`search predict --model DIR FILES...` reads image files, tables and arrays, and prepares them as in training.
"""
