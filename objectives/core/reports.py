"""What an objective reports after an epoch, checked once for all that listen."""

from __future__ import annotations

import math
from collections.abc import Mapping

from objectives.base.errors import Diverged

ROUNDING = 1e-6
"""How far beyond 0 and 1 a mean of accuracies may be by rounding."""


def read_metrics(epoch: int, metrics: Mapping[str, object]) -> dict[str, float]:
    """Return a report's metrics as floats, with the accuracy from 0 to 1.

    Raises:
        ValueError: there is no accuracy, or it is out of range, or a metric is no number; the message has the value.
        Diverged: the accuracy is NaN or infinite.
    """
    if "accuracy" not in metrics:
        raise ValueError(f"report needs an 'accuracy', but got {', '.join(metrics) or 'nothing'}")
    read = {name: _read_number(name, value) for name, value in metrics.items()}
    accuracy = read["accuracy"]
    if not math.isfinite(accuracy):
        raise Diverged(f"accuracy became {accuracy} in epoch {epoch}")
    if not -ROUNDING <= accuracy <= 1 + ROUNDING:
        raise ValueError(
            f"a reported accuracy must be from 0 to 1, but got {accuracy:g} in epoch {epoch}; divide percentages by 100"
        )
    return {**read, "accuracy": min(max(accuracy, 0.0), 1.0)}


def _read_number(name: str, value: object) -> float:
    """Return a number, or a tensor or array of one, as a float."""
    try:
        if isinstance(value, str | bytes) or (isinstance(value, bool) and name == "accuracy"):
            raise TypeError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: a tensor of several numbers
        raise ValueError(f"the reported metric {name!r} must be a number, but got {value!r:.60}") from None
