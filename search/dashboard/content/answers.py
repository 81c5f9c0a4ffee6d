"""Answers for the pages of studies, which are sent again as long as others would be the same.

optuna-dashboard takes seconds to make JSON of 10,000 trials. All that such an answer depends on is the query, the study
and its trials as our storage gives them to optuna-dashboard; asking the storage for these again takes milliseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from search.dashboard.content.asked import Asked, asking
from search.dashboard.content.storage import ContentStorage
from search.dashboard.wsgi import HeldAnswer, status_line

SHELVES = 8
"""Studies that share a shelf wait for each other's answers."""
MOST_ANSWERS = 3
"""Of a shelf. Each takes a small part of what the study's trials take, which are in memory, too."""


class KeptAnswers:
    """The last answers for some studies; safe to use from several threads."""

    def __init__(self, storage: ContentStorage) -> None:
        """Keep nothing yet; the storage is what answers are made from."""
        self._shelves = [_Shelf(storage) for _ in range(SHELVES)]

    def find(self, study_id: int, query: str, make: Callable[[], HeldAnswer]) -> HeldAnswer:
        """Return what `make` would, made by one thread for all that ask at once."""
        return self._shelves[study_id % SHELVES].find(study_id, query, make)


class _Shelf:
    def __init__(self, storage: ContentStorage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._answers: dict[tuple[int, str], tuple[Asked, HeldAnswer]] = {}
        """The one that was asked for last is the last."""

    def find(self, study_id: int, query: str, make: Callable[[], HeldAnswer]) -> HeldAnswer:
        with self._lock:
            kept = self._answers.pop((study_id, query), None)
            if kept is None or not kept[0].has_read_the_same(self._read(study_id)):
                with asking(study_id) as asked:
                    kept = asked, make()
            if kept[0].is_whole and kept[1].status == status_line(HTTPStatus.OK):
                self._answers[study_id, query] = kept
                for oldest in list(self._answers)[:-MOST_ANSWERS]:
                    del self._answers[oldest]
            return kept[1]

    def _read(self, study_id: int) -> Asked:
        """Read the study as for an answer; what fails here fails again there, where it is told."""
        with asking(study_id) as asked, suppress(Exception):
            self._storage.get_all_studies()
            self._storage.get_all_trials(study_id, deepcopy=False)
        return asked
