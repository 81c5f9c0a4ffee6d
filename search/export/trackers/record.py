"""What a tracker has got, kept on this machine for trackers that do not tell."""

from __future__ import annotations

import json
from pathlib import Path

from search.export.trackers.tracker import ALL_EPOCHS
from storage.files import PRIVATE, write_file


class SentRecord:
    """The first epoch that each trial's run lacks, by the trial's number, in a small JSON file."""

    def __init__(self, folder: Path, tracker: str, study: str) -> None:
        self._file = folder / f"{tracker}-{study}.json"
        self.epochs: dict[int, int] = {}
        """`ALL_EPOCHS` for a run that has ended."""
        if self._file.is_file():
            self.epochs = {int(number): epochs for number, epochs in json.loads(self._file.read_text()).items()}

    def has_ended(self, trial: int) -> bool:
        """Return whether the trial's run has got everything, its end included."""
        return self.epochs.get(trial) == ALL_EPOCHS

    def list_ended(self) -> dict[int, int]:
        """Return what `Tracker.study_started` does, so that all epochs of other trials are told again."""
        return {number: ALL_EPOCHS if self.has_ended(number) else 0 for number in self.epochs}

    def write(self, trial: int, epochs: int) -> None:
        """Keep the first epoch that a trial's run lacks now."""
        self.epochs[trial] = epochs
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_file(self._file, json.dumps(self.epochs).encode(), mode=PRIVATE)
