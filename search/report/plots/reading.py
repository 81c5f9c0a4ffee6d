"""Reading what plots draw from an open study."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Engine

from search.api.session import Session
from search.report.plots.data import PlotData, ReportedEpoch
from storage.records import epochs


def read_plot_data(session: Session) -> PlotData:
    """Read everything of a study that plots show."""
    return PlotData(
        study=session.load_optuna(),
        epochs=session.view.spec.epochs,
        reported=_read_reported(session.database.engine, session.record.study_id),
    )


def _read_reported(engine: Engine, study_id: int) -> dict[int, list[ReportedEpoch]]:
    found: dict[int, list[ReportedEpoch]] = defaultdict(list)
    for row in epochs.read_reports(engine, study_id):
        found[row.number].append(
            ReportedEpoch(epoch=row.epoch, token=row.token, reported_at=row.reported_at, seconds=row.seconds)
        )
    return dict(found)
