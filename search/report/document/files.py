"""A report as a file: HTML, Markdown or JSON. A file that is no report is never replaced."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from search.errors import UsageError
from search.report.document.content.comparison import Comparison, compare_studies
from search.report.document.content.facts import StudyFacts
from search.report.document.content.study_report import StudyReport, build_report
from search.report.document.limits import make_limit_check
from search.report.document.rendering.figures import draw_all, draw_comparison
from search.report.document.rendering.html import render_html
from search.report.document.rendering.markdown import render_markdown
from search.report.document.wording.comparison import word_comparison
from search.report.document.wording.study import word_report
from search.report.plots.files import save
from spaces.suggestions import suggest_and_list

Format = Literal["html", "md", "json"]
FORMATS: tuple[str, ...] = get_args(Format)
MARKS = {
    "html": b"<!doctype html>\n<!-- depthsearch report -->",
    "md": b"<!-- depthsearch report -->",
    "json": b'{\n  "generator": "depthsearch report"',
}
"""What every report begins with."""


def check_format(name: str) -> None:
    """Raise `UsageError` unless reports have such a format."""
    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}; {suggest_and_list(name, FORMATS)}")


def check_replaceable(path: Path) -> None:
    """Raise `UsageError` if there is something at a path that is no report of this program."""
    mark = MARKS[path.suffix.removeprefix(".")]
    try:
        with path.open("rb") as file:
            begin = file.read(len(mark))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path} cannot be replaced ({error.strerror}); name another folder with -o") from None
    if begin != mark:
        raise UsageError(
            f"{path} is not a report of this program and stays as it is; move it, or name another folder with -o"
        )


def report_study(facts: StudyFacts) -> StudyReport:
    """Return everything that a study's report says in numbers."""
    return build_report(facts, make_limit_check(facts.spec))


def write_report(facts: StudyFacts, path: Path) -> None:
    """Write a study's report; the file's ending is its format.

    Raises:
        UsageError: there is another file at the path.
        SearchError: it cannot be written.
    """
    check_replaceable(path)
    save(path, format_report(facts, path.suffix.removeprefix(".")).encode())


def format_report(facts: StudyFacts, form: str) -> str:
    """Return a study's report in one of FORMATS."""
    report = report_study(facts)
    if form == "json":
        return format_json(report.to_json())
    if form == "md":
        return render_markdown(word_report(report, ()))
    figures, missing = draw_all(facts.plot_data, report.importances)
    return render_html(word_report(report, [each.plot for each in figures], missing), figures)


def write_comparison(all_facts: Sequence[StudyFacts], path: Path) -> None:
    """Write several studies side by side; see `write_report`."""
    check_replaceable(path)
    comparison: Comparison = compare_studies(all_facts)
    if path.suffix == ".json":
        content = format_json(comparison.to_json())
    elif path.suffix == ".md":
        content = render_markdown(word_comparison(comparison, ()))
    else:
        figure = draw_comparison(comparison)
        content = render_html(word_comparison(comparison, (figure.plot,)), [figure])
    save(path, content.encode())


def format_json(document: Mapping[str, Any]) -> str:
    """Return a report's numbers as JSON."""
    named = {"generator": "depthsearch report", **document}
    return json.dumps(named, indent=2, allow_nan=False, default=str) + "\n"
