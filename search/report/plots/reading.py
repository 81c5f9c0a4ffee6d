"""Reading what plots draw from a study."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Engine

from search.report.plots.data import PlotData, ReportedEpoch
from search.study.status import StudyView, best_trial
from storage.database import Database
from storage.history import confusions
from storage.optuna_adapter import get_trial_id
from storage.records import epochs


def read_plot_data(database: Database, view: StudyView, trial: int | None = None) -> PlotData:
    """Read everything of a study that plots show.

    trial: the number of the one that a plot of a single trial shows; None for the best.

    Raises:
        UsageError: the study has no such trial.
    """
    trials = view.trials()
    shown = best_trial(trials) if trial is None else view.find_trial(trial)
    return PlotData(
        name=view.record.name,
        trials=trials,
        epochs=view.spec.epochs,
        reported=_read_reported(database.engine, view.record.study_id),
        trial=None if shown is None else shown.number,
        confusion=None if shown is None else confusions.find(database.engine, get_trial_id(shown)),
    )


def _read_reported(engine: Engine, study_id: int) -> dict[int, list[ReportedEpoch]]:
    found: dict[int, list[ReportedEpoch]] = defaultdict(list)
    for row in epochs.read_reports(engine, study_id):
        found[row.number].append(
            ReportedEpoch(
                epoch=row.epoch,
                token=row.token,
                reported_at=row.reported_at,
                seconds=row.seconds,
                energy_wh=row.energy_wh,
            )
        )
    return dict(found)
