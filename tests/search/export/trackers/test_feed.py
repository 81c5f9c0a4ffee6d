"""What a tracker is told, of trials that are in the storage already; and what TensorBoard makes of it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from sqlalchemy import insert, select

from search.export.trackers.feed import Ending, Feed
from search.export.trackers.registry import build_tracker
from search.export.trackers.source import Source
from search.export.trackers.tracker import ALL_EPOCHS, Tracker
from search.study.status import StudyView
from storage import url
from storage.database import Database, open_database
from storage.schema import epochs as curves
from tests.search.earlier import FINITE, Past, make, models, planned
from tests.search.export.trackers.recorder import Recorder

NAME = "d"
PARAMETERS = {"depth": 3, "width": 64, "dropout": 0.1, "optimizer": "nesterov"}
PAST = [
    Past(parameters=PARAMETERS, curve=[0.5, 0.6, 0.7], attributes={"seed": 1}),
    Past(parameters=PARAMETERS, curve=[0.1], state=TrialState.PRUNED, attributes={"reason": "pruner"}),
    Past(parameters=PARAMETERS, curve=[], state=TrialState.FAIL, attributes={"error": "password=hunter22 <b>\x1b[2J"}),
    Past(parameters=PARAMETERS, curve=[0.4, 0.5], state=TrialState.RUNNING),
    Past(parameters={}, curve=[], state=TrialState.WAITING),
    Past(parameters={}, curve=[], state=TrialState.RUNNING),  # its worker is drawing its parameters
]
ALL = [
    *[("started", 0), ("epoch", 0, 0, 0.5), ("epoch", 0, 1, 0.6), ("epoch", 0, 2, 0.7), ("ended", 0, "complete")],
    *[("started", 1), ("epoch", 1, 0, 0.1), ("ended", 1, "pruned")],
    *[("started", 2), ("ended", 2, "fail")],
    *[("started", 3), ("epoch", 3, 0, 0.4), ("epoch", 3, 1, 0.5)],
]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with open_database(url.parse(database_url)) as database:
        make(database, planned(NAME), NAME, PAST)
        yield database


def feed(database: Database, tracker: Tracker) -> Feed:
    """Let a run begin and end at once."""
    made, ending = Feed(tracker, Source(database=database, view=StudyView(database, NAME))), Ending()
    ending.set("interrupted")
    made.follow(ending)
    return made


def store_epoch(database: Database, number: int, epoch: int, accuracy: float) -> None:
    """Store an epoch as a worker does."""
    with database.engine.begin() as connection:
        trial = select(models.TrialModel.trial_id).where(models.TrialModel.number == number)
        trial_id = connection.execute(trial).scalar_one()
        ours = {"trial_id": trial_id, "epoch": epoch, "token": 1, "metrics": {"accuracy": accuracy}}
        value = {"trial_id": trial_id, "step": epoch, "intermediate_value": accuracy, "intermediate_value_type": FINITE}
        connection.execute(insert(curves), [ours])
        connection.execute(insert(models.TrialIntermediateValueModel), [value])


def test_a_tracker_gets_what_it_lacks_and_nothing_twice(database: Database) -> None:
    new = Recorder({})
    feed(database, new)
    assert new.calls == ALL
    begun, ended = new.studies
    assert (begun.name, begun.outcome, ended.outcome) == (NAME, None, "interrupted")
    assert begun.settings["epochs"] == 3
    half = Recorder({0: 2, 1: ALL_EPOCHS, 2: 0, 3: 2})
    feed(database, half)
    assert [call for call in half.calls if call[0] == "epoch"] == [("epoch", 0, 2, 0.7)]
    assert [call for call in half.calls if call[0] == "ended"] == [call for call in ALL if call[0] == "ended"]


def test_a_tracker_for_news_gets_what_is_stored_from_its_start_on(database: Database) -> None:
    class Later(Recorder):
        def study_started(self, study: Any) -> None:
            store_epoch(database, 3, 2, 0.9)

    tracker = Later()
    feed(database, tracker)
    assert tracker.calls == [("started", 3), ("epoch", 3, 2, 0.9)]


def test_what_a_tracker_raises_leaves_the_feed(database: Database) -> None:
    class Broken(Recorder):
        def epoch(self, trial: Any, epoch: int, metrics: Mapping[str, float]) -> None:
            raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        feed(database, Broken({}))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its loader leaves files open
@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None and os.environ.get("CI") != "true",
    reason="TensorBoard is not installed",
)
def test_tensorboard_has_each_epoch_once_over_several_runs_one_of_them_killed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path))
    feed(database, build_tracker("tensorboard", tmp_path))
    [folder] = tmp_path.iterdir()
    with next((folder / "trial-0003").iterdir()).open("ab") as file:
        file.write(b"\x18\0\0\0\0\0\0\0half a record")  # as kill -9 leaves it
    store_epoch(database, 3, 2, 0.9)
    for _ in range(2):
        feed(database, build_tracker("tensorboard", tmp_path))
    found = {place.name: read_folder(place) for place in folder.iterdir() if place.is_dir()}
    assert sorted(found) == ["trial-0000", "trial-0001", "trial-0002", "trial-0003"]
    assert [found[name]["accuracy"] for name in sorted(found)] == [
        [(0, 0.5), (1, 0.6), (2, 0.7)],
        [(0, 0.1)],
        [],
        [(0, 0.4), (1, 0.5), (2, 0.9)],
    ]
    assert [len(found[name]["_hparams_/session_start_info"]) for name in sorted(found)] == [1, 1, 1, 1]
    assert [len(found[name]["_hparams_/session_end_info"]) for name in sorted(found)] == [1, 1, 1, 0]
    assert b"hunter22" not in b"".join(file.read_bytes() for file in folder.rglob("*tfevents*"))


def read_folder(folder: Path) -> Mapping[str, list[Any]]:
    """The values of a trial's event files by tag, as TensorBoard's own page reads them, each with its step."""
    from collections import defaultdict

    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    found: dict[str, list[Any]] = defaultdict(list)
    for file in sorted(folder.iterdir()):
        for event in LegacyEventFileLoader(str(file)).Load():
            for value in event.summary.value:
                found[value.tag].append((event.step, round(value.simple_value, 4)))
    return found
