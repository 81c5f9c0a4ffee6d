"""Reports of studies, as files and as documents; a report trains nothing, scores nothing and opens no data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from search.connection import open_storage
from search.errors import UsageError
from search.report.document import files
from search.report.document.content.comparison import compare_studies
from search.report.document.reading import read_facts
from search.settings import Settings
from search.study.status import StudyView

RESULTS = Path("results")
LEAST_COMPARED = 2


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """Which studies are reported, and where the report goes."""

    studies: tuple[str, ...]
    """One, or several to set side by side."""
    path: Path

    @classmethod
    def parse(cls, study: str | None, compare: str | None, out: Path | None, form: str) -> Self:
        """Return what flags ask for.

        Raises:
            UsageError: neither one study nor several different ones are named, or there is no such format.
        """
        files.check_format(form)
        if (study is None) == (compare is None):
            raise UsageError("a report is of one study (--study NAME) or compares several (--compare S1,S2); give one")
        if study is not None:
            return cls(studies=(study,), path=(out or RESULTS / study) / f"report.{form}")
        names = tuple(name.strip() for name in str(compare).split(","))
        if len(names) < LEAST_COMPARED or len(set(names)) < len(names) or not all(names):
            raise UsageError(f"--compare takes two or more different studies, as S1,S2, but got {str(compare)[:200]!r}")
        return cls(studies=names, path=(out or RESULTS) / f"comparison.{form}")


def write(request: ReportRequest, settings: Settings) -> None:
    """Write the report that is asked for.

    Raises:
        UsageError: there is a file at its path that is no report.
        SearchError: it cannot be written.
        StorageError: the storage cannot be reached, or has no such study.
    """
    files.check_replaceable(request.path)  # before minutes of drawing
    with open_storage(settings) as database:
        facts = [read_facts(database, StudyView(database, name)) for name in request.studies]
    if len(facts) == 1:
        files.write_report(facts[0], request.path)
    else:
        files.write_comparison(facts, request.path)


def describe(request: ReportRequest, settings: Settings) -> dict[str, Any]:
    """Return the report's numbers as a JSON document.

    Raises:
        StorageError: the storage cannot be reached, or has no such study.
    """
    with open_storage(settings) as database:
        facts = [read_facts(database, StudyView(database, name)) for name in request.studies]
    if len(facts) == 1:
        return files.report_study(facts[0]).to_json()
    return compare_studies(facts).to_json()
