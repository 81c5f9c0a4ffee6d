"""depthsearch: hyperparameter search for deep networks, with a test set that stays sealed until the end.

The names in `__all__` are the Python API; see docs/python-api.md. Each is imported when it is first used, so that
importing this package loads neither torch nor Optuna.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from objectives.base.lazy_exports import export_lazily

if TYPE_CHECKING:
    from search.api.studies import list_studies
    from search.api.study import Study
    from search.api.training import Progress
    from search.errors import NothingToDo, SearchError, UsageError
    from search.evaluation.results.score import Score
    from search.export.trackers.tracker import TrackedStudy, Tracker
    from search.study.status_types import Status
    from search.study.trials import Curve, Trial, Trials
    from storage.errors import StorageError, UnknownStudy

_HOMES = {
    "Curve": "search.study.trials",
    "NothingToDo": "search.errors",
    "Progress": "search.api.training",
    "Score": "search.evaluation.results.score",
    "SearchError": "search.errors",
    "Status": "search.study.status_types",
    "StorageError": "storage.errors",
    "Study": "search.api.study",
    "TrackedStudy": "search.export.trackers.tracker",
    "Tracker": "search.export.trackers.tracker",
    "Trial": "search.study.trials",
    "Trials": "search.study.trials",
    "UnknownStudy": "storage.errors",
    "UsageError": "search.errors",
    "list_studies": "search.api.studies",
}

__all__ = [
    "Curve",
    "NothingToDo",
    "Progress",
    "Score",
    "SearchError",
    "Status",
    "StorageError",
    "Study",
    "TrackedStudy",
    "Tracker",
    "Trial",
    "Trials",
    "UnknownStudy",
    "UsageError",
    "list_studies",
]

__getattr__, __dir__ = export_lazily(__name__, _HOMES)
