"""Reading what plots draw from a study."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Engine

from search.report.plots.data import PlotData, ReportedEpoch
from search.study.status import StudyView
from storage.database import Database
from storage.records import epochs


def read_plot_data(database: Database, view: StudyView) -> PlotData:
    """Read everything of a study that plots show."""
    return PlotData(
        name=view.record.name,
        trials=view.trials(),
        epochs=view.spec.epochs,
        reported=_read_reported(database.engine, view.record.study_id),
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
