"""Many curves of one look as one trace: plotly takes a second for each thousand traces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass(frozen=True, kw_only=True)
class Line:
    """A curve of a trial."""

    trial: int
    first: int
    """The epoch of its first value, counted from 1."""
    values: Sequence[float]


class Lines:
    """Curves by what they are called."""

    def __init__(self) -> None:
        self._lines: dict[str, list[Line]] = defaultdict(list)

    def add(self, name: str, line: Line) -> None:
        """Add one curve under a name."""
        self._lines[name].append(line)

    def draw(self, figure: go.Figure, name: str, look: dict[str, object], *, ends: bool = False) -> None:
        """Draw the curves of a name, if there are any, with gaps between them; `ends` puts a dot at each last value."""
        lines = self._lines.get(name, ())
        if not lines:
            return
        x: list[int | None] = []
        y: list[float | None] = []
        trials: list[int] = []
        sizes: list[int] = []
        for line in lines:
            count = len(line.values)
            x += [*range(line.first, line.first + count), None]
            y += [*line.values, None]
            trials += [line.trial] * (count + 1)
            sizes += [0] * (count - 1) + [5, 0]
        figure.add_scatter(
            x=x,
            y=y,
            name=name,
            mode="lines+markers" if ends else "lines",
            line=look,
            marker={"size": sizes, "color": look["color"], "line": {"width": 0}} if ends else None,
            customdata=trials,
            hovertemplate="trial %{customdata}, epoch %{x}: %{y:.4f}<extra></extra>",
        )
