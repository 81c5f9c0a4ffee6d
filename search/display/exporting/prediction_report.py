"""How `predict` shows what it found."""

from __future__ import annotations

from search.display.output import print_table
from search.export.predict.predicting import ClassProbability, Prediction, Predictions


def show_predictions(found: Predictions) -> None:
    """Print a line for each image: its file, then its most probable classes."""
    if not found.predictions:
        return
    longest = max(len(each.classes) for each in found.predictions)
    headings = ["file", "class", "probability", *("then" for _ in range(longest - 1))]
    print_table(headings, [_row(each) for each in found.predictions])


def _row(prediction: Prediction) -> list[str]:
    first, *others = prediction.classes
    place = "" if prediction.index is None else f"[{prediction.index}]"
    return [
        f"{prediction.file}{place}",
        first.label,
        _format(first),
        *(f"{other.label} {_format(other)}" for other in others),
    ]


def _format(each: ClassProbability) -> str:
    spread = "" if each.deviation is None else f" ± {each.deviation:.4f}"
    return f"{each.probability:.4f}{spread}"
