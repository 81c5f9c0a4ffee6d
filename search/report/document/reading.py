"""Reading what a report is made from; a test score comes from the ledger, if it has one, and no data set is opened."""

from __future__ import annotations

from search.evaluation.results.claimed import ClaimedWinner
from search.report.document.content.facts import StudyFacts
from search.report.plots.reading import read_plot_data
from search.study.status import StudyView
from storage.database import Database
from storage.records import ledger


def read_facts(database: Database, view: StudyView) -> StudyFacts:
    """Read everything of a study that its report shows."""
    data = read_plot_data(database, view)
    status = view.status(list(data.trials))
    claim = ledger.find_claim(database.engine, view.record.uuid, view.spec.dataset)
    return StudyFacts(
        uuid=view.record.uuid,
        spec=view.spec,
        status=status,
        trials=data.trials,
        reported=data.reported,
        trial=data.trial,
        confusion=data.confusion,
        confirmation=None if claim is None else ClaimedWinner.from_json(claim.winner).confirmation,
    )
