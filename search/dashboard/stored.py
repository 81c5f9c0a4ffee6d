"""What the guard asks the storage: whether something is there, whether it answers, and the numbers of its studies."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from search.dashboard.metrics import StudyNumbers
from search.study.status import SILENT_SECONDS

T = TypeVar("T")

LONGEST_ANSWER_SECONDS = 2.0
"""A storage that takes longer does not answer."""
FRESH_SECONDS = 1.0
"""For which an answer is given again: nobody without a password can make the storage work."""

_TRIALS = "SELECT study_id, lower(state::text) AS state, count(*) FROM trials GROUP BY study_id, state"
_EPOCHS = """SELECT study_id, count(*) FROM trial_intermediate_values JOIN trials USING (trial_id) GROUP BY study_id"""
_BEST = """
SELECT study_id, CASE min(direction::text) WHEN 'MINIMIZE' THEN min(value) ELSE max(value) END
FROM trials JOIN trial_values USING (trial_id) JOIN study_directions USING (study_id)
WHERE state = 'COMPLETE' AND value_type = 'FINITE'
GROUP BY study_id HAVING max(study_directions.objective) = 0"""
_WORKERS = """
SELECT study_id, count(*), max(extract(epoch FROM now() - beat_at)) FROM depthsearch.workers
WHERE beat_at > now() - make_interval(secs => :silent) GROUP BY study_id"""
_LEASES = """
SELECT study_id, count(*), min(extract(epoch FROM expires_at - now())), max(extract(epoch FROM now() - last))
FROM depthsearch.leases AS lease LEFT JOIN LATERAL
    (SELECT max(reported_at) AS last FROM depthsearch.epochs WHERE trial_id = lease.trial_id) AS reports ON true
GROUP BY study_id"""


class Stored:
    """The storage, as the guard asks it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._probe = _Probe(engine)

    def has_study(self, study_id: int) -> bool:
        """Return whether there is such a study."""
        return self._finds("SELECT 1 FROM studies WHERE study_id = :study", study=study_id)

    def has_trial(self, study_id: int, trial_id: int) -> bool:
        """Return whether the study has such a trial."""
        query = "SELECT 1 FROM trials WHERE study_id = :study AND trial_id = :trial"
        return self._finds(query, study=study_id, trial=trial_id)

    def answers(self) -> bool:
        """Return within LONGEST_ANSWER_SECONDS whether the storage answers."""
        with self._lock:
            if self._probe.is_old():
                self._probe = _Probe(self._engine)
            self._probe.start()
            probe = self._probe
        return probe.wait()

    def count_studies(self) -> list[StudyNumbers]:
        """Return the numbers of every study, which the server counts: no trial is read."""

        def read(connection: Connection) -> list[StudyNumbers]:
            trials: dict[int, dict[str, int]] = defaultdict(dict)
            for study, state, count in connection.execute(text(_TRIALS)):
                trials[study][state] = count
            epochs, best = _read(connection, _EPOCHS), _read(connection, _BEST)
            workers = _read(connection, _WORKERS, silent=SILENT_SECONDS)
            leases = _read(connection, _LEASES)
            names = connection.execute(text("SELECT study_id, study_name FROM studies ORDER BY study_id")).all()
            return [
                StudyNumbers(
                    name=name,
                    trials=trials[study],
                    epochs=int(epochs.get(study, (0,))[0] or 0),
                    best_value=best.get(study, (None,))[0],
                    workers=int(workers.get(study, (0, None))[0] or 0),
                    beat_seconds=workers.get(study, (0, None))[1],
                    leases=int(leases.get(study, (0, None, None))[0] or 0),
                    lease_seconds_left=leases.get(study, (0, None, None))[1],
                    report_seconds=leases.get(study, (0, None, None))[2],
                )
                for study, name in names
            ]

        return _ask(self._engine, read)

    def _finds(self, query: str, **ids: int) -> bool:
        if any(value >= 2**31 for value in ids.values()):  # beyond the column's range
            return False
        return _ask(self._engine, lambda connection: connection.scalar(text(query), ids)) is not None


class _Probe:
    """One question to the storage, in a thread that may wait for ever, as a frozen server makes it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._done = threading.Event()
        self._good = False
        self._thread: threading.Thread | None = None
        self._begun = 0.0

    def start(self) -> None:
        if self._thread is None:
            self._begun = time.monotonic()
            self._thread = threading.Thread(target=self._ask, name="dashboard-health", daemon=True)
            self._thread.start()

    def is_old(self) -> bool:
        return self._done.is_set() and time.monotonic() - self._begun > FRESH_SECONDS

    def wait(self) -> bool:
        self._done.wait(max(0.0, self._begun + LONGEST_ANSWER_SECONDS - time.monotonic()))
        return self._good

    def _ask(self) -> None:
        with suppress(SQLAlchemyError):
            _ask(self._engine, lambda connection: connection.scalar(text("SELECT 1 FROM studies LIMIT 1")))
            self._good = True
        self._done.set()


def _ask(engine: Engine, question: Callable[[Connection], T]) -> T:
    """Ask the storage, and again if the connection was one that a restart of the server had ended."""
    try:
        with engine.begin() as connection:
            return question(connection)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        with engine.begin() as connection:
            return question(connection)


def _read(connection: Connection, query: str, **values: float) -> dict[int, tuple[float | None, ...]]:
    """Return the numbers of a query by the study's id, which is its first column."""
    rows = connection.execute(text(query), values)
    return {row[0]: tuple(None if value is None else float(value) for value in row[1:]) for row in rows}
