"""Figures as files: HTML that opens without a network, plotly's JSON, and pictures where a browser is at hand."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from search.errors import SearchError, UsageError
from search.errors.unwritable import refuse_unwritable
from storage.files import write_file

if TYPE_CHECKING:
    import plotly.graph_objects as go

PICTURES = (".png", ".svg", ".pdf")
SUFFIXES = (".html", ".json", *PICTURES)
CONFIG = {"responsive": True, "displaylogo": False}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
html, body {{ height: 100%; margin: 0; }}
main {{ height: 100%; min-height: 420px; min-width: {width}px; }}
main > div {{ height: 100%; }}
</style>
</head>
<body><main>{body}</main></body>
</html>
"""


def check_file(path: Path) -> None:
    """Raise `UsageError` unless figures are written to files of this name, with what is installed."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"a plot is written to a file that ends in {', '.join(SUFFIXES)}, but got {path}")
    if suffix in PICTURES and find_spec("kaleido") is None:
        raise UsageError(
            f"a {suffix} picture needs kaleido, which is not installed: `pip install kaleido`, "
            f"or write {path.with_suffix('.html')}"
        )


def write_figure(figure: go.Figure, path: Path) -> None:
    """Write a figure; the file's ending says how.

    Raises:
        UsageError: the ending is none of those known, or pictures need what is not installed.
        SearchError: the file cannot be written, or a picture not drawn.
    """
    check_file(path)
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        content = _render(figure, suffix.removeprefix("."))
    elif suffix == ".html":
        content = _write_page(figure).encode()
    else:
        content = figure.to_json().encode()
    save(path, content)


def save(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and its folder if there is none.

    Raises:
        SearchError: it cannot be written.
    """
    with refuse_unwritable(path, "place"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)


def _write_page(figure: go.Figure) -> str:
    """Return a page with plotly's code in it; it fills the window, and scrolls one too narrow for its panels."""
    body = figure.to_html(include_plotlyjs=True, full_html=False, config=CONFIG, default_height="100%", div_id="plot")
    title = (figure.layout.title.text or "").partition("<br>")[0]  # escaped where it was made
    return PAGE.format(title=title, width=(figure.layout.meta or {}).get("least_width", 0), body=body)


def _render(figure: go.Figure, form: str) -> bytes:
    try:
        content: bytes = figure.to_image(format=form, width=1000, height=600, scale=2)
    except Exception as error:  # kaleido and the browser that it starts raise many types
        raise SearchError(
            f"a {form} picture needs kaleido and a Chrome or Chromium browser: {_quote(error)}; or write a .html file"
        ) from None
    return content


def _quote(error: Exception) -> str:
    """Return the first line of an error that says anything, without its full stop."""
    said = str(error).strip().partition("\n")[0].rstrip(".,; ")
    return said or type(error).__name__
