"""What the dashboard shows of one study, kept for as long as nothing has changed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from optuna.trial import FrozenTrial

from search.dashboard.content.artifacts import MadeFile, list_study_artifacts, make_final_file, make_trial_file
from search.dashboard.content.graphs import draw_graphs
from search.dashboard.content.note import write_section
from search.dashboard.content.notes import join_notes, read_note, with_note
from search.report.plots.data import PlotData
from search.study.status import StudyView
from storage.database import Database
from storage.leasing.withdrawal import is_void

LEAST_SECONDS = 2.0
"""For which what was made is shown, whatever has changed."""
MOMENT_SECONDS = 10.0
"""For which the budget, a score and the reason of a stop are shown, which change without a trial."""
SHARE = 20.0
"""What takes a second is made every 20 seconds at most."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Kept(Generic[T]):
    """Something that takes time to make, made by one thread; others get what was made before."""

    def __init__(self, otherwise: T) -> None:
        """Keep nothing; what cannot be made is `otherwise`."""
        self._value = self._otherwise = otherwise
        self._lock = threading.Lock()
        self._of: object = None
        self._until = 0.0
        self._told = ""

    def get(self, of: object, make: Callable[[], T]) -> T:
        """Return what `make` makes, or what was made of the same thing or a moment ago.

        Only the first caller ever waits for it: while it is made again, others get the old one.
        """
        if not self._lock.acquire(blocking=self._of is None):
            return self._value
        try:
            if of != self._of and time.monotonic() >= self._until:
                self._make(of, make)
            return self._value
        finally:
            self._lock.release()

    def _make(self, of: object, make: Callable[[], T]) -> None:
        begun = time.monotonic()
        try:
            self._value = make()
        except Exception as error:  # a page without it is better than none
            self._value, told = self._otherwise, f"{type(error).__name__}: {error}".partition("\n")[0]
            if told != self._told:
                _log.warning("the dashboard leaves out a part of a study's page: %s", told)
                _log.debug("its traceback:", exc_info=True)
            self._told = told
        self._of = of
        self._until = time.monotonic() + max(LEAST_SECONDS, SHARE * (time.monotonic() - begun))


class StudyContent:
    """The note, the plots and the files of one study."""

    def __init__(self, database: Database, name: str) -> None:
        """Find the study.

        Raises:
            UnknownStudy: the storage has none of that name that this program made.
            SearchError: its record was changed in the storage.
        """
        self._database = database
        self._view = StudyView(database, name)
        self._section: Kept[str] = Kept("")
        self._graphs: Kept[Mapping[str, str]] = Kept({})
        self._artifacts: Kept[Mapping[str, str]] = Kept({})

    def add_to(self, attributes: Mapping[str, object]) -> dict[str, object]:
        """Return the study's system attributes with what the page shows."""
        trials = self._view.trials()
        state = _summarize(trials)
        moment = int(time.monotonic() // MOMENT_SECONDS)
        section = self._section.get((state, moment), lambda: write_section(self._view.status(trials), self._view.spec))
        added = {
            **self._graphs.get(state, lambda: self._draw(trials)),
            **self._artifacts.get((state, moment), lambda: list_study_artifacts(self._database, self._view)),
        }
        shown = {**attributes, **added}
        return with_note(shown, join_notes(read_note(attributes), section)) if section else shown

    def make_trial_file(self, trial_id: int, place: int) -> MadeFile | None:
        """Return a file of one of the study's trials; None if there is none.

        Raises:
            KeyError: there is no such trial.
        """
        history = self._database.history
        trial = history.get_trial(trial_id)
        own = history.get_trial_id_from_study_id_trial_number(self._view.record.study_id, trial.number)
        return make_trial_file(self._database.engine, self._view.spec, trial, place) if own == trial_id else None

    def make_final_file(self, place: int) -> MadeFile | None:
        """Return a file of the network that the final step scored; None if there is none."""
        return make_final_file(self._database, self._view, place)

    def _draw(self, trials: Sequence[FrozenTrial]) -> Mapping[str, str]:
        data = PlotData(name=self._view.record.name, trials=trials, epochs=self._view.spec.epochs, reported={})
        return draw_graphs(data)


def _summarize(trials: Sequence[FrozenTrial]) -> tuple[int, ...]:
    """Return what is another after every change of a trial that plots show."""
    return (
        len(trials),
        sum(trial.state.is_finished() for trial in trials),
        sum(map(is_void, trials)),
        sum(len(trial.intermediate_values) for trial in trials),
    )
