"""What a study came to: its learning curves, read from the storage and kept in a file."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from search.errors import UsageError
from tests.benchmarks.real_training.comparison import Run, Settings
from tests.benchmarks.real_training.processes import FINISHED

COMPLETE = "COMPLETE"

# The seconds are the database's, from the creation of the study; so is the order of the rows.
EPOCHS = text(
    "SELECT t.number, CAST(t.state AS text) AS state, CAST(e.metrics ->> 'accuracy' AS float) AS accuracy, "
    "CAST(extract(epoch FROM e.reported_at - s.created_at) AS float) AS seconds "
    "FROM depthsearch.studies s JOIN trials t USING (study_id) LEFT JOIN depthsearch.epochs e USING (trial_id) "
    "WHERE s.name = :study ORDER BY t.number, e.epoch"
)
FULL_TRAINING = text("SELECT CAST(spec ->> 'epochs' AS integer) FROM depthsearch.studies WHERE name = :study")
HARDWARE = text(
    "SELECT min(a.value_json) FROM depthsearch.studies s JOIN trials t USING (study_id) "
    "JOIN trial_user_attributes a USING (trial_id) WHERE s.name = :study AND a.key = 'hardware'"
)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training."""

    number: int
    state: str
    """The name of Optuna's state when the run had ended."""
    curve: Sequence[tuple[float, float]]
    """(seconds since the study's creation, validation accuracy) of each epoch."""

    def best(self, until: float) -> float:
        """Return the highest accuracy of the epochs by then; NaN if there is none."""
        known = [accuracy for seconds, accuracy in self.curve if seconds <= until and math.isfinite(accuracy)]
        return max(known, default=math.nan)

    def has_completed(self, until: float) -> bool:
        """Return whether it had trained all its epochs by then."""
        return self.state == COMPLETE and bool(self.curve) and self.curve[-1][0] <= until


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run."""

    method: str
    seed: int
    settings: Settings
    study: str
    ended: str
    hardware: str
    full_training: int | None
    """The epochs of one; None if the run failed before there was a study."""
    trials: Sequence[Trial]

    @property
    def is_finished(self) -> bool:
        """Whether it had its time."""
        return self.ended in FINISHED

    def seen(self, until: float) -> float:
        """Return the best accuracy of any epoch by then; NaN if there is none."""
        return _best([trial.best(until) for trial in self.trials])

    def completed(self, until: float) -> float:
        """Return the best accuracy of a trial that had completed by then, as `search final` would choose it, or NaN."""
        return _best([trial.best(until) for trial in self.trials if trial.has_completed(until)])

    def count_completed(self, until: float) -> int:
        """Return how many trials had completed by then."""
        return sum(trial.has_completed(until) for trial in self.trials)

    def count_full_trainings(self, until: float) -> float:
        """Return how many full trainings' worth of epochs had been trained by then."""
        return self.count_epochs(until) / self.full_training if self.full_training else 0.0

    def count_epochs(self, until: float) -> int:
        """Return how many epochs had been trained by then."""
        return sum(seconds <= until for trial in self.trials for seconds, _ in trial.curve)


def read_outcome(engine: Engine, settings: Settings, run: Run, study: str, ended: str) -> Outcome:
    """Return what a study has in the storage; nothing if the run failed before there was one."""
    with engine.begin() as connection:
        rows = connection.execute(EPOCHS, {"study": study}).all()
        hardware = connection.scalar(HARDWARE, {"study": study})
        full_training = connection.scalar(FULL_TRAINING, {"study": study})
    states = {row.number: row.state for row in rows}
    curves: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        if row.seconds is not None:
            accuracy = math.nan if row.accuracy is None else row.accuracy
            curves[row.number].append((round(row.seconds, 3), accuracy))
    return Outcome(
        **asdict(run),
        settings=settings,
        study=study,
        ended=ended,
        hardware=json.loads(hardware) if hardware else "unknown",
        full_training=full_training,
        trials=[Trial(number=number, state=state, curve=curves[number]) for number, state in states.items()],
    )


def write(outcome: Outcome, file: Path) -> None:
    """Keep an outcome."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps(asdict(outcome)) + "\n")
    draft.replace(file)


def read_finished(file: Path, settings: Settings) -> Outcome | None:
    """Return the outcome that was kept if its run had its time.

    Raises:
        UsageError: it is of other settings.
    """
    if not file.exists():
        return None
    document = json.loads(file.read_text())
    kept = Settings(**document.pop("settings"))
    if kept != settings:
        raise UsageError(f"{file} is of a run with other settings ({kept}); name another folder with --out")
    trials = [
        Trial(number=trial["number"], state=trial["state"], curve=[(at, value) for at, value in trial["curve"]])
        for trial in document.pop("trials")
    ]
    outcome = Outcome(**document, settings=kept, trials=trials)
    return outcome if outcome.is_finished else None


def _best(values: Sequence[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=math.nan)
