"""TensorBoard: a folder of event files for the study, and one in it for each trial."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from objectives.base.printable import escape_markdown
from search.export.trackers.names import (
    clean_key,
    clean_metrics,
    clean_params,
    clean_text,
    describe_end,
    describe_result,
    name_trial,
)
from search.export.trackers.tracker import TrackedStudy
from search.study.trials import Trial
from spaces import Scalar

FOLDER = "TENSORBOARD_LOGGING_DIR"
DEFAULT_FOLDER = "runs"
HEADER, FOOTER = 12, 4
"""Bytes around an event in its file."""


def build(folder: Path) -> TensorBoard:
    """Build the tracker; what it has written tells all that it must know at the next run."""
    return TensorBoard(Path(os.environ.get(FOLDER) or DEFAULT_FOLDER))


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the event files of a trial hold."""

    epochs: int
    """The first epoch that they lack."""
    ended: bool


class TensorBoard:
    """Writes event files to `<folder>/<study>-<first digits of its UUID>/`, and to `trial-0000/`, ... in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[int, Any] = {}
        self._known: dict[int, Written] = {}

    def study_started(self, study: TrackedStudy) -> Mapping[int, int]:
        """Find what was written by earlier runs."""
        self._folder = self._folder / f"{clean_key(study.name, limit=100)}-{study.uuid[:8]}"
        self._known = dict(_read_trials(self._folder))
        self._write_text("study", clean_params(study.settings))
        return {number: written.epochs for number, written in self._known.items()}

    def trial_started(self, trial: Trial) -> None:
        """Open the trial's folder; write its parameters unless they are there."""
        if trial.number in self._known:
            return
        params: dict[str, Any] = {key: _as_hparam(value) for key, value in clean_params(trial.params).items()}
        self._write(trial, summary_v2.hparams_pb(params, trial_id=name_trial(trial)))

    def epoch(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        """Write an epoch's metrics at the step of its number, counted from 0."""
        values = [Summary.Value(tag=key, simple_value=value) for key, value in clean_metrics(metrics).items()]
        self._write(trial, Summary(value=values), step=epoch)

    def trial_ended(self, trial: Trial) -> None:
        """Write how the trial ended, and close its files."""
        if trial.number not in self._known or not self._known[trial.number].ended:
            self._write(trial, text_pb("end", _format_table(describe_end(trial))))
            self._write(trial, _end_session(failed=trial.state == "fail"))
        if trial.number in self._writers:
            self._writers.pop(trial.number).close()

    def study_ended(self, study: TrackedStudy) -> None:
        """Write what the study came to, and close all files."""
        self._write_text("result", describe_result(study))
        for writer in self._writers.values():
            writer.close()

    def _write(self, trial: Trial, summary: Any, step: int = 0) -> None:
        if trial.number not in self._writers:
            self._writers[trial.number] = EventFileWriter(str(self._folder / name_trial(trial)))
        writer = self._writers[trial.number]
        writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
        writer.flush()

    def _write_text(self, tag: str, values: Mapping[str, Scalar]) -> None:
        writer = EventFileWriter(str(self._folder))
        writer.add_event(Event(wall_time=time.time(), summary=text_pb(tag, _format_table(values))))
        writer.close()


def _end_session(*, failed: bool) -> Any:
    end = plugin_data_pb2.SessionEndInfo(
        status=api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS, end_time_secs=time.time()
    )
    content = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=end))
    value = Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=content, tensor=metadata.NULL_TENSOR)
    return Summary(value=[value])


def _read_trials(folder: Path) -> Iterator[tuple[int, Written]]:
    for place in sorted(folder.glob("trial-*")):
        events = [event for file in sorted(place.glob("*tfevents*")) for event in _read_events(file)]
        tags = [value.tag for event in events for value in event.summary.value]
        # Of an epoch, every value is in one event; the other events are at step 0, too.
        steps = [event.step for event in events if any(map(_is_number, event.summary.value))]
        yield (
            int(place.name.removeprefix("trial-")),
            Written(epochs=max(steps, default=-1) + 1, ended=metadata.SESSION_END_INFO_TAG in tags),
        )


def _read_events(file: Path) -> Iterator[Any]:
    """Yield the events of a file, up to one that a killed process has left unfinished.

    A record is its length in 8 bytes, 4 of a checksum, the event, and 4 of another checksum.
    """
    content, start = file.read_bytes(), 0
    while start + HEADER <= len(content):
        length = int.from_bytes(content[start : start + 8], "little")
        end = start + HEADER + length
        if end + FOOTER > len(content):
            return
        yield Event.FromString(content[start + HEADER : end])
        start = end + FOOTER


def _is_number(value: Any) -> bool:
    return bool(value.WhichOneof("value") == "simple_value")


def _as_hparam(value: Scalar) -> Scalar:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _format_table(values: Mapping[str, Scalar]) -> str:
    rows = "\n".join(f"| {escape_markdown(key)} | {escape_markdown(clean_text(it))} |" for key, it in values.items())
    return f"| | |\n|---|---|\n{rows}"
