"""How the energy of a GPU is divided among the trials that share it, in an account that their processes keep together.

A GPU counts its energy, but not whose it is. What it takes between two readings is divided equally among the trials
that train on it then; while none does, it is nobody's. The account has what one trial would have got that had trained
from the beginning, so that what a trial got is the difference between two readings, however many others came and went.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from search.workers.machine.sockets import find_temporary_folder
from storage.embedded.file_locks import count_holders, open_lock, try_exclusive

STATE = struct.Struct("<qqd")
"""The GPU's counter at the last reading (millijoules), how many trials trained then, and what each had got by then."""
LONGEST_WAIT_SECONDS = 0.1


def find_accounts() -> Path:
    """Return the folder of this user's accounts, which is created; it is lost when the machine starts again.

    Raises:
        OSError: it cannot be had, or is another user's.
    """
    folder = Path(find_temporary_folder(), f"depthsearch-energy-{os.geteuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(f"{folder} is not this user's")
    return folder


class EnergyAccount:
    """One trial's access to the account of one GPU. A trial takes part through a lock, which a killed process loses."""

    def __init__(self, folder: Path, uuid: str, read_counter: Callable[[], int]) -> None:
        """Open an account, which is created if it is missing.

        Args:
            folder: Where accounts are.
            uuid: The GPU's.
            read_counter: Returns the millijoules that the GPU has taken, which fall only when its driver starts again.
        """
        self._read_counter = read_counter
        self._path = folder / f"{uuid}.trials"
        self._trials = open_lock(self._path)
        self._account = open_lock(folder / uuid)

    def join(self) -> float:
        """Take part from now on; return what `read` does.

        Raises:
            OSError: the account or the GPU cannot be read.
        """
        with self._locked():
            fcntl.flock(self._trials, fcntl.LOCK_SH)
            return self._update()

    def read(self) -> float:
        """Return the millijoules that each trial has got which has trained on the GPU since the account was opened.

        Raises:
            OSError: the account or the GPU cannot be read.
        """
        with self._locked():
            return self._update()

    def close(self) -> None:
        """Take part no longer; others learn of it with the next reading."""
        os.close(self._trials)
        os.close(self._account)

    def leave(self) -> float:
        """Take part no longer; return what `read` does.

        Raises:
            OSError: the account or the GPU cannot be read.
        """
        with self._locked():
            fcntl.flock(self._trials, fcntl.LOCK_UN)
            return self._update()

    def _update(self) -> float:
        """Divide what the GPU has taken since the last reading among the trials that trained then."""
        stored = os.pread(self._account, STATE.size, 0)
        before, trials, share = STATE.unpack(stored) if len(stored) == STATE.size else (0, 0, 0.0)
        counter = self._read_counter()
        if trials:
            share += max(0, counter - before) / trials
        os.pwrite(self._account, STATE.pack(counter, count_holders(self._path) or 0, share), 0)
        return float(share)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the account for a moment; a process that is frozen while it does lets nobody wait for long."""
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while not try_exclusive(self._account):
            if time.monotonic() > deadline:
                raise TimeoutError("the account of a GPU's energy is in use")
            time.sleep(0.001)
        try:
            yield
        finally:
            fcntl.flock(self._account, fcntl.LOCK_UN)
