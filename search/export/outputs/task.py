"""What an export is asked for, and what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from search.settings import Settings
from search.study.status import StudyView
from storage.database import Database

MARK = "depthsearch export"
"""In each exported file, so that a later export may replace it and nothing else."""


@dataclass(frozen=True, kw_only=True)
class ExportTask:
    """A request to export from a study in an open storage."""

    database: Database
    view: StudyView
    settings: Settings
    objective: str | None
    """Name or path of the study's objective; None for what the study was created with."""
    path: Path
    """The file or folder to write."""
    push_ready: bool = False
    """Whether a folder gets what a repository of the Hugging Face Hub needs besides."""
    tell: Callable[[str], object]
    """Receives one line of progress or warning at a time."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was exported."""

    study: str
    format: str
    path: str
    size: int
    """Bytes."""
    trial: int | None = None
    """Of which trial; None for a table of all."""
    weights_sha256: str | None = None
    """Of the network before any variant; None if no network was exported."""
    checked_images: int | None = None
    """On how many validation images the exported network was compared with the study's; None without one."""
    largest_difference: float | None = None
    """Between their probabilities."""

    def to_json(self) -> dict[str, object]:
        """Return the document that `search export --json` prints."""
        return asdict(self)
