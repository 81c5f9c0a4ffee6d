"""A document as one HTML page that loads nothing: style, plotly's code and figures are in it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from objectives.base.printable import escape_controls
from search.report.document.rendering.figures import Figure
from search.report.document.wording.blocks import Block, Document


def render_html(document: Document, figures: Sequence[Figure]) -> str:
    """Return the page. Scripts run only if their hash is in its policy: text that got in as HTML would not."""
    environment = Environment(
        loader=PackageLoader("search.report.document.rendering"),
        autoescape=True,
        finalize=_show,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [get_plotlyjs(), _read(environment, "draw.js")] if figures else []
    return environment.get_template("document.html").render(
        document=document,
        figures={each.plot.kind: each for each in figures},
        style=Markup(_read(environment, "style.css")),
        scripts=[Markup(script) for script in scripts],
        hashes=" ".join(f"'sha256-{_hash(script)}'" for script in scripts) or "'none'",
        name_of=_name_of,
        embed=_embed,
    )


def _read(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _show(value: object) -> object:
    """Return text without control characters and bidi marks; jinja escapes what is HTML in it."""
    return escape_controls(value) if type(value) is str else value


def _name_of(block: Block) -> str:
    return type(block).__name__


def _embed(content: str) -> Markup:
    """Return JSON that no name in it can end: a browser looks for the end of a script before it reads one."""
    return Markup(content.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
