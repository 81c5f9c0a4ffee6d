"""How `doctor` shows its findings."""

from __future__ import annotations

from collections.abc import Sequence

from search.api.doctor import Finding
from search.display.output import say


def show_findings(findings: Sequence[Finding]) -> None:
    """Print one line for each check."""
    for finding in findings:
        say(f"{'ok  ' if finding.fine else 'FAIL'} {finding.check}: {finding.found}")
