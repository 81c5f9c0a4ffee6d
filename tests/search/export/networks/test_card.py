"""The card's metadata by every rule that huggingface_hub itself has.

`ModelCard.validate()` asks huggingface.co, which no test can reach. What that server says in its documentation
(https://huggingface.co/docs/hub/model-cards, https://github.com/huggingface/hub-docs/blob/main/modelcard.md) and the
package checks is checked here: that the front matter is YAML and found, the keys, their types, the task, the results.
"""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import pytest
from pydantic import ConfigDict, TypeAdapter

from search.evaluation.results.score import Score
from search.export.networks.card import render_metadata
from tests.search.report.document.made import make_score

hub = pytest.importorskip("huggingface_hub")
yaml = pytest.importorskip("yaml")

NAMES = (
    "digits-depth",
    "yes",
    "null",
    "1e3",
    "2026-01-01",
    "a: b # c",
    "---",
    "a--b..c-.d e/f",
    "- 'x' \"y\" {z} [w] | > & * ! % @ `",
    "b\u0000\u0007\u007f\u0085\u2028\u202e\ufeff\x1b[31m",
    "数字 – ünïcode 🙂",
    " ",
    "x" * 300,
)


def read_metadata(text: str) -> dict[str, Any]:
    """Return the front matter as the package finds it in a card's text, and as YAML reads it."""
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    block = REGEX_YAML_BLOCK.search(text)
    assert block is not None
    assert block.start() == 0
    found: dict[str, Any] = yaml.safe_load(block[2])
    assert len(found) == len(block[2].splitlines()), "no key twice"
    return found


def check_rules(text: str) -> None:
    """Check a card's text by the package's rules."""
    metadata = read_metadata(text)
    parameters = inspect.signature(hub.ModelCardData.__init__).parameters
    hints = get_type_hints(hub.ModelCardData.__init__)
    assert metadata.keys() <= (parameters.keys() - {"self", "kwargs", "eval_results", "model_name"}) | {"model-index"}
    for name in metadata.keys() - {"model-index"}:
        TypeAdapter(hints[name], config=ConfigDict(strict=True)).validate_python(metadata[name])
    tasks = [metadata["pipeline_tag"], *(result["task"]["type"] for result in list_results(metadata))]
    for task in tasks:
        assert hasattr(hub.InferenceClient, task.replace("-", "_")), "the client has a method for each task"
    card = hub.ModelCard(text, ignore_metadata_errors=False)
    assert card.data.to_dict() == metadata, "nothing is lost on the way through the package"
    again = hub.ModelCard(str(card), ignore_metadata_errors=False)
    assert (again.data.to_dict(), again.text.strip()) == (metadata, card.text.strip())


def list_results(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    return [result for model in metadata.get("model-index", []) for result in model["results"]]


def check_results(text: str, score: Score) -> None:
    """Check what a card's text says of a score, by the types and the required fields of the package's results."""
    card = hub.ModelCard(text, ignore_metadata_errors=False)
    [result] = card.data.eval_results
    hints = get_type_hints(type(result))
    for name, value in vars(result).items():
        TypeAdapter(hints[name], config=ConfigDict(strict=True)).validate_python(value)
    assert isinstance(result.metric_value, float)
    assert result.metric_value == pytest.approx(score.test_accuracy, abs=1e-6)
    assert (result.metric_type, result.task_type, result.dataset_split) == ("accuracy", "image-classification", "test")
    hub.utils.validate_repo_id(result.dataset_type)
    assert "/" not in result.dataset_type, "nobody's data set on the Hub is meant"
    assert (result.verified, result.verify_token) == (None, None), "only the Hub may say that it has verified a result"
    [entry] = read_metadata(text)["model-index"]
    assert hub.repocard_data.eval_results_to_model_index(entry["name"], [result]) == [entry]


@pytest.mark.parametrize("name", NAMES)
def test_metadata_keep_every_rule_whatever_study_and_data_set_are_called(name: str) -> None:
    score = make_score(study=name)
    text = f"{render_metadata(score, name)}\n# Text\n\n---\n\nbelow a line\n"
    check_rules(text)
    check_results(text, score)
    assert hub.ModelCard(text).text.strip().startswith("# Text")


def test_metadata_without_a_score_keep_every_rule() -> None:
    text = f"{render_metadata(None, 'digits')}\n# Text\n"
    check_rules(text)
    assert "model-index" not in read_metadata(text)
    assert hub.ModelCard(text).data.eval_results is None
