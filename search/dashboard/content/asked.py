"""What a request has read of a study: by this, an answer that was made before may be sent again."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from optuna.trial import FrozenTrial


class Asked:
    """A request for the page of one study, or for none."""

    def __init__(self, study_id: int | None) -> None:
        """Note that nothing was read yet."""
        self.study_id = study_id
        self._study: bytes | None = None
        self._trials: Sequence[FrozenTrial] | None = None

    def note_study(self, study: Any) -> None:
        """Note the study as the answer gets it, unless it was noted: of two readings, the first is the older one."""
        if self._study is None:
            # As text: 1, 1.0 and True are equal, but not the same on a page.
            self._study = hashlib.sha256(repr(vars(study)).encode()).digest()

    def note_trials(self, trials: Sequence[FrozenTrial]) -> None:
        """Note all trials as the answer gets them, unless they were noted. A trial that changes is another object."""
        if self._trials is None:
            self._trials = trials

    @property
    def is_whole(self) -> bool:
        """Whether the study and its trials were both read for this request itself."""
        return self._study is not None and self._trials is not None

    def has_read_the_same(self, other: Asked) -> bool:
        """Return whether both requests have read the same study with the same trials."""
        if self._trials is None or other._trials is None or self._study is None:
            return False
        same = self._study == other._study and len(self._trials) == len(other._trials)
        return same and all(map(operator.is_, self._trials, other._trials))


_asked: ContextVar[Asked | None] = ContextVar("asked", default=None)


@contextmanager
def asking(study_id: int | None) -> Iterator[Asked]:
    """Within the block, this thread answers a request for the page of one study, or for none."""
    asked = Asked(study_id)
    token = _asked.set(asked)
    try:
        yield asked
    finally:
        _asked.reset(token)


def find_asked(study_id: int) -> Asked | None:
    """Return the request that this thread answers, if it is for the page of that study."""
    asked = _asked.get()
    return asked if asked is not None and asked.study_id == study_id else None
