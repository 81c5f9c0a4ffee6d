"""The energy that a training takes on its GPUs, as far as they tell it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cache, partial

from search.workers.machine.accelerators import SLICE_PREFIX
from search.workers.machine.energy_account import EnergyAccount, find_accounts
from search.workers.machine.nvml import Nvml

METRIC = "energy_wh"
"""Of an epoch: what its trial has taken since the last epoch that has it."""
LEAST_SECONDS = 0.2
"""Between two readings: a counter moves some ten times a second. Of shorter epochs, some have their energy together."""
MILLIJOULES = 3_600_000
"""Of a watt-hour."""
DIGITS = 6

_log = logging.getLogger(__name__)


class EnergyMeter:
    """Measures a training on GPUs: a trial's, or that of the final step. It tells nothing where a GPU does not."""

    def __init__(
        self, uuids: Sequence[str] = (), find_counter: Callable[[str], Callable[[], int]] | None = None
    ) -> None:
        """Prepare to measure.

        Args:
            uuids: Of the GPUs; empty if they are not known, or on a CPU.
            find_counter: Returns, for a GPU, what reads the millijoules that it has taken; None for NVIDIA's library.
        """
        self._uuids = uuids
        self._find_counter = find_counter or find_nvidia_counter
        self._accounts: list[EnergyAccount] = []
        self._last = 0.0
        self._read_at = 0.0
        self._rest: float | None = None

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure while the block runs."""
        with ExitStack() as stack:
            self._rest = None
            self._start(stack)
            try:
                yield
            finally:
                self._rest = self._take(EnergyAccount.leave)
                self._accounts = []

    def take(self) -> dict[str, float]:
        """Return what was taken since the last reading, or since the block began, as the metric of an epoch."""
        if time.monotonic() - self._read_at < LEAST_SECONDS:
            return {}
        taken = self._take(EnergyAccount.read)
        return {} if taken is None else {METRIC: _round(taken)}

    @property
    def rest_wh(self) -> float | None:
        """What was taken from the last reading to the end of the block; None if it is not known."""
        return self._rest

    def _start(self, stack: ExitStack) -> None:
        if not self._uuids or any(uuid.startswith(SLICE_PREFIX) for uuid in self._uuids):
            return
        try:
            folder = find_accounts()
            counters = {uuid: self._find_counter(uuid) for uuid in self._uuids}
            accounts = [
                stack.enter_context(closing(EnergyAccount(folder, uuid, read))) for uuid, read in counters.items()
            ]
            self._last = sum(account.join() for account in accounts)
            self._accounts = accounts
        except OSError as error:
            _log.debug("energy: %s", error)

    def _take(self, read: Callable[[EnergyAccount], float]) -> float | None:
        if not self._accounts:
            return None
        try:
            now = sum(map(read, self._accounts))
        except OSError as error:  # the next reading has this part in it, too
            _log.debug("energy: %s", error)
            return None
        self._read_at = time.monotonic()
        taken, self._last = now - self._last, now
        return max(0.0, taken) / MILLIJOULES  # an account that was deleted begins again at 0


def add_up(epochs: Mapping[int, Mapping[str, float]], *rests: float | None) -> float | None:
    """Return the watt-hours of a trial's epochs and of what was trained beside them; None if none is known."""
    known = [*(metrics[METRIC] for metrics in epochs.values() if METRIC in metrics), *rests]
    told = [part for part in known if part is not None]
    return _round(sum(told)) if told else None


def find_nvidia_counter(uuid: str) -> Callable[[], int]:
    """Return what reads the millijoules that a GPU of NVIDIA has taken since its driver was loaded.

    Raises:
        OSError: the library is not installed, the GPU is divided into slices, or it does not answer.
    """
    library = _open_library()
    gpu = library.find_gpu(uuid)
    if gpu is None:
        raise OSError(f"{uuid} is divided into slices, for which nothing counts energy")
    return partial(library.read_energy, gpu)


@cache
def _open_library() -> Nvml:
    library = Nvml()
    library.open()
    return library


def _round(watt_hours: float) -> float:
    return float(f"{watt_hours:.{DIGITS}g}")
