"""Small pictures for pages that show PNG and nothing else; without a browser, and without a library for plots."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageColor, ImageDraw, ImageFont

from objectives.base.printable import escape_controls
from search.report.plots.classes import MOST_NUMBERED
from search.report.plots.style import BLUE, DARK_GREY, ORANGE, shorten

SCALE = 2
"""Pictures are drawn larger and reduced, which smooths their lines."""
WIDTH, HEIGHT, ROW = 420, 300, 22
"""Of one panel, and of one row of bars, in pixels."""
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 44, 40
LABELS = 190
MOST_ROWS = 40
LONGEST_NAME = 28
LARGEST_CELL, SMALLEST_CELL = 36, 16
"""Of a matrix, in pixels."""
TEXT, WHITE, GROUND = "#222222", "white", "#eef0f3"


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of a panel."""

    name: str
    values: Sequence[float | None]
    """One for each epoch; None where there is none."""
    colour: str = BLUE


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Lines over epochs that share an axis."""

    title: str
    series: Sequence[Series]


def draw_panels(panels: Sequence[Panel]) -> bytes:
    """Return panels side by side as a PNG."""
    canvas = _Canvas(WIDTH * len(panels), HEIGHT)
    for place, panel in enumerate(panels):
        _draw_panel(canvas, panel, WIDTH * place)
    return canvas.pack()


def draw_bars(title: str, shares: Mapping[str, float | None]) -> bytes:
    """Return shares from 0 to 1 as bars, the lowest first, as a PNG; of many the lowest."""
    rows = sorted(shares.items(), key=lambda row: (row[1] is not None, row[1]))
    shown = rows[:MOST_ROWS]
    canvas = _Canvas(WIDTH + LABELS, TOP + ROW * len(shown) + 12)
    more = "" if len(shown) == len(rows) else f", the lowest {MOST_ROWS} of {len(rows)}"
    canvas.write(f"{title}{more}", 12, 12, size=15)
    for place, (name, share) in enumerate(shown):
        top = TOP + ROW * place
        canvas.write(shorten(escape_controls(name), LONGEST_NAME), LABELS - 8, top + 3, align="right")
        width = (WIDTH - 80) * (share or 0.0)
        canvas.fill(LABELS, top + 3, LABELS + WIDTH - 80, top + ROW - 3, GROUND)
        canvas.fill(LABELS, top + 3, LABELS + width, top + ROW - 3, BLUE)
        canvas.write("no images" if share is None else f"{share:.3f}", LABELS + WIDTH - 72, top + 3)
    return canvas.pack()


def draw_matrix(title: str, names: Sequence[str], counts: Sequence[Sequence[int]]) -> bytes:
    """Return a confusion matrix as a PNG: blue where images were taken for their class, orange where for another."""
    cell = LARGEST_CELL if len(names) <= MOST_NUMBERED else SMALLEST_CELL
    labels = [shorten(escape_controls(name), LONGEST_NAME) for name in names]
    room = 18 + math.ceil(max(_font(12).getlength(label) for label in labels) / SCALE)
    side, top = cell * len(names), TOP + room
    canvas = _Canvas(max(room + side + RIGHT, WIDTH), top + side + RIGHT)
    canvas.write(title, RIGHT, 12, size=15)
    worst = max((share for row in _list_wrong(counts) for share in row), default=0.0) or 1.0
    for place, (label, row) in enumerate(zip(labels, counts, strict=True)):
        middle, y = cell * (place + 0.5), top + cell * place
        canvas.write(label, room - 6, top + middle - 8, align="right")
        canvas.write_upwards(label, room + middle - 8, top - 6)
        for column, count in enumerate(row):
            colour, most = (BLUE, 1.0) if column == place else (ORANGE, worst)
            x, share = room + cell * column, count / (sum(row) or 1)
            canvas.fill(x, y, x + cell - 1, y + cell - 1, _mix(colour, share / most))
            if cell == LARGEST_CELL and (count or column == place):
                canvas.write(str(count), x + cell / 2, y + cell / 2 - 8, size=11, align="middle")
    return canvas.pack()


def _list_wrong(counts: Sequence[Sequence[int]]) -> list[list[float]]:
    """Return, for each class, the shares of its images that were taken for each of the others."""
    return [
        [count / (sum(row) or 1) for column, count in enumerate(row) if column != place]
        for place, row in enumerate(counts)
    ]


def _mix(colour: str, share: float) -> str:
    """Return a colour between the ground of a cell, for nothing, and the given one."""
    parts = zip(ImageColor.getrgb(GROUND)[:3], ImageColor.getrgb(colour)[:3], strict=True)
    return "#" + "".join(f"{round(low + share * (high - low)):02x}" for low, high in parts)


def _draw_panel(canvas: _Canvas, panel: Panel, left: float) -> None:
    values = [value for series in panel.series for value in series.values if value is not None]
    epochs = max((len(series.values) for series in panel.series), default=0)
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    low, high = low - margin, high + margin
    x0, x1, y0, y1 = left + LEFT, left + WIDTH - RIGHT, HEIGHT - BOTTOM, TOP

    def place(epoch: float, value: float) -> tuple[float, float]:
        across = 0.5 if epochs <= 1 else epoch / (epochs - 1)
        return x0 + 6 + across * (x1 - x0 - 12), y0 - (value - low) / (high - low) * (y0 - y1)

    canvas.write(panel.title, left + LEFT, 8, size=15)
    for value in choose_ticks(low, high):
        height = place(0, value)[1]
        canvas.line([(x0, height), (x1, height)], "#e4e7eb", 1)
        canvas.write(f"{value:.3g}", x0 - 6, height - 8, align="right")
    canvas.line([(x0, y1), (x0, y0), (x1, y0)], DARK_GREY, 1)
    for epoch in sorted({0, (epochs - 1) // 2, epochs - 1}) if epochs else ():
        canvas.write(str(epoch + 1), place(epoch, low)[0], y0 + 4, align="middle")
    canvas.write("epoch", (x0 + x1) / 2, HEIGHT - 18, align="middle")
    for series, offset in zip(panel.series, range(0, 400, 110), strict=False):
        _draw_series(canvas, series, [place(k, v) for k, v in enumerate(series.values) if v is not None])
        canvas.line([(x0 + offset, 35), (x0 + offset + 16, 35)], series.colour, 3)
        canvas.write(series.name, x0 + offset + 21, 27)


def choose_ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers from `low` to `high`."""
    decade = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = max(factor * decade for factor in (1, 2, 5) if factor * decade <= (high - low) / 3)
    return [place * step for place in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _draw_series(canvas: _Canvas, series: Series, points: Sequence[tuple[float, float]]) -> None:
    canvas.line(points, series.colour, 2)
    for x, y in points if len(points) <= 30 else ():
        canvas.dot(x, y, 3, series.colour)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * SCALE)


class _Canvas:
    """A white picture; places and sizes are in its final pixels."""

    def __init__(self, width: float, height: float) -> None:
        self._size = (round(width), round(height))
        self._image = Image.new("RGB", (self._size[0] * SCALE, self._size[1] * SCALE), WHITE)
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        if len(points) > 1:
            scaled = [(x * SCALE, y * SCALE) for x, y in points]
            self._draw.line(scaled, fill=colour, width=round(width * SCALE), joint="curve")

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        self._draw.ellipse([(each * SCALE) for each in (x - radius, y - radius, x + radius, y + radius)], fill=colour)

    def fill(self, x0: float, y0: float, x1: float, y1: float, colour: str) -> None:
        if x1 > x0:
            self._draw.rectangle([each * SCALE for each in (x0, y0, x1, y1)], fill=colour)

    def write(self, text: str, x: float, y: float, *, size: int = 12, align: str = "left") -> None:
        anchor = {"left": "la", "middle": "ma", "right": "ra"}[align]
        font = _font(size)
        self._draw.text((x * SCALE, y * SCALE), text, fill=TEXT, font=font, anchor=anchor)

    def write_upwards(self, text: str, x: float, y: float, *, size: int = 12) -> None:
        """Write text that begins at the bottom, with its top to the left."""
        font = _font(size)
        lying = Image.new("RGB", (math.ceil(font.getlength(text)) + 1, round(size * 1.5) * SCALE), WHITE)
        ImageDraw.Draw(lying).text((0, 0), text, fill=TEXT, font=font, anchor="la")
        standing = lying.transpose(Image.Transpose.ROTATE_90)
        self._image.paste(standing, (round(x * SCALE), round(y * SCALE) - standing.height))

    def pack(self) -> bytes:
        """Return the picture as a PNG."""
        stream = io.BytesIO()
        self._image.resize(self._size, Image.Resampling.LANCZOS).save(stream, "PNG", optimize=True)
        return stream.getvalue()
