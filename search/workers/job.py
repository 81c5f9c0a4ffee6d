"""What a worker process is told at its start, and the exit codes with which only workers end."""

from __future__ import annotations

from dataclasses import dataclass, field

from search.settings import Settings

OUTAGE = 75
"""The storage was away for too long (EX_TEMPFAIL): a new worker may have more luck."""
HUNG = 76
"""The training hung."""


@dataclass(frozen=True, kw_only=True)
class WorkerJob:
    """One worker: which study, where it is kept, and what to train on."""

    storage: str = field(repr=False)
    """URL; it travels through a pipe, never on a command line."""
    study: str
    objective: str | None
    """Name or path given by the user; None for what the study was created with."""
    settings: Settings
    device: str
    threads: int
    """CPU threads of this worker, 1 or more."""
