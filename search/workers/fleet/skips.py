"""Studies that a service leaves out for a while, because they could not be trained here."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass

from storage.records.queue import OpenStudy

FIRST_SECONDS, LONGEST_SECONDS = 5.0, 600.0
"""How long a study is left out after it could not be served here; twice as long each time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Skip:
    """A study that is left out until a moment of this machine's clock."""

    until: float
    seconds: float
    reason: str | None
    """Why it cannot be served here; None if a worker only found nothing to do."""


class Skips:
    """The studies left out, by place: one that kills workers on one GPU may train on another. None is everywhere."""

    def __init__(self) -> None:
        """Leave none out."""
        self._skips: dict[tuple[int, str | None], Skip] = {}

    @property
    def expect_more(self) -> bool:
        """Whether something may be left later of a study in which a worker found nothing just now."""
        return any(skip.reason is None and skip.until > time.monotonic() for skip in self._skips.values())

    def add(self, study: OpenStudy, reason: str | None, place: str | None = None) -> None:
        """Leave a study out for a while; say why, unless that is known."""
        before = self._skips.get((study.study_id, place))
        again = before is not None and reason is not None
        seconds = min(2 * before.seconds, LONGEST_SECONDS) if before is not None and again else FIRST_SECONDS
        self._skips[study.study_id, place] = Skip(until=time.monotonic() + seconds, seconds=seconds, reason=reason)
        if reason is not None and (before is None or before.reason != reason):
            where = "" if place is None else f" on {place}"
            _log.warning("study %r is left out%s, and tried again from time to time: %s", study.name, where, reason)

    def remove(self, study: OpenStudy, place: str) -> None:
        """Leave a study out no longer, at a place and everywhere."""
        for where in (None, place):
            self._skips.pop((study.study_id, where), None)

    def find(self, place: str) -> frozenset[int]:
        """Return the studies that are left out at a place now."""
        now = time.monotonic()
        return frozenset(study for (study, at), skip in self._skips.items() if skip.until > now and at in (None, place))

    def list_reasons(self, open_studies: Collection[int]) -> list[str]:
        """Return why studies were left out; what one place could not train another may have: then it is not open."""
        return [
            skip.reason
            for (study, place), skip in self._skips.items()
            if skip.reason is not None and (place is None or study in open_studies)
        ]
