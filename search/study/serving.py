"""Which study a worker that serves all of them trains next, and which it may: installed or allowed objectives only."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from objectives.discovery import objective_names
from objectives.importing.own_files import hash_sources
from search.errors import UsageError
from storage.records.queue import OpenStudy


@dataclass(frozen=True, kw_only=True)
class Served:
    """What this machine serves."""

    allowed: tuple[str, ...] = ()
    """Files of objectives that may be run, by their full paths."""
    skipped: Collection[int] = field(default_factory=frozenset)
    """The ids of studies that are left out for a while."""

    def find_objective(self, study: OpenStudy) -> str | None:
        """Return what to run for a study: a file that is allowed and has its hash, or an installed objective's name.

        None if neither is here. Nothing is imported; its hash is compared where it is run.
        """
        for path in self.allowed:
            found, files = hash_sources(Path(path))
            if study.objective_hash in (found, files[Path(path).name]):
                return path
        return study.objective if study.objective in _list_installed() else None

    def select(self, found: Sequence[OpenStudy]) -> list[OpenStudy]:
        """Return the studies that this machine serves."""
        wanted = [study for study in found if study.study_id not in self.skipped]
        return [study for study in wanted if self.find_objective(study) is not None]


@cache
def _list_installed() -> frozenset[str]:
    return frozenset(objective_names())


def parse_allowed(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return the full paths of objective files.

    Raises:
        UsageError: one is no file.
    """
    for path in paths:
        if not path.is_file():
            raise UsageError(f"--allow names the file of an objective, but {str(path)!r} is not a file; correct it")
    return tuple(str(path.resolve()) for path in paths)


def choose_study(found: Sequence[OpenStudy], serving: Mapping[int, int] | None = None) -> OpenStudy | None:
    """Return the study that gets the next worker; None if none has work.

    That is the one with the highest priority; of these, with the fewest running trials; of these, the one whose last
    trial began first.

    Args:
        serving: How many workers the caller has given each study, by its id, whether or not they have a trial yet.
    """
    given = serving or {}

    def rank(study: OpenStudy) -> tuple[int, int, float, int]:
        running = max(study.running, given.get(study.study_id, 0))
        begun = -math.inf if study.begun_seconds is None else study.begun_seconds
        return -study.priority, running, begun, study.study_id

    return min((study for study in found if study.has_work), key=rank, default=None)
