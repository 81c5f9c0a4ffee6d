"""How `doctor` shows its findings."""

from __future__ import annotations

from collections.abc import Sequence

from search.api.setup.doctor import Finding
from search.display.output import say


def show_findings(findings: Sequence[Finding]) -> None:
    """Print one line for each check."""
    for finding in findings:
        say(f"{_summarize(finding)} {finding.check}: {finding.found}")


def _summarize(finding: Finding) -> str:
    if not finding.fine:
        return "FAIL"
    return "weak" if finding.weak else "ok  "
