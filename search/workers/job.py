"""What a worker process is given at its start, and the exit codes that only workers use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from objectives.data.files.prepared import Stamp
from search.errors import SearchError
from search.settings import Settings
from search.study.serving import Served
from storage.errors import format_command

OUTAGE = 75
"""The storage was unreachable for too long (EX_TEMPFAIL): a new worker may reach it."""
HUNG = 76
"""The training hung."""
NOTHING_CLAIMED = 77
"""A worker that serves every study found no trial in the one that it was given."""
DRAINED = 78
"""A worker that serves every study was asked to leave."""

LOST = 79
"""Of a worker on a cluster: what ran it is gone, with its machine perhaps."""


@dataclass(frozen=True, kw_only=True)
class WorkerJob:
    """One worker: its study, where the study is stored, and what to train on."""

    storage: str = field(repr=False)
    """A URL, which may hold a password: it is sent through a pipe, never on a command line."""
    study: str
    objective: str | None
    """Name or path given by the user; None for the objective that the study was created with."""
    settings: Settings
    device: str
    """What people call it on this machine, such as `cuda:3`; torch knows it by `local_devices`."""
    threads: int
    """CPU threads of each process of this worker, 1 or more."""
    peers: tuple[str, ...] = ()
    """The devices of a trial's further ranks, beside `device`."""
    visible: tuple[str, ...] = ()
    """UUIDs of the GPUs that its processes see, the device's and the peers'; empty for all of the command's."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the worker's environment has beside those of the command."""
    name: str | None = None
    """What the worker's name in the storage ends with; None for something random."""
    served: Served | None = None
    """What a worker serves that serves every study; None for one of a single study."""
    checked: Stamp | None = None
    """State of the decoded data whose content the starting process compared; the worker does so if it is another."""

    @property
    def devices(self) -> tuple[str, ...]:
        """The device and its peers, as people call them."""
        return (self.device, *self.peers)

    @property
    def local_devices(self) -> tuple[str, ...]:
        """The same devices as torch calls them in the worker's processes."""
        return tuple(f"cuda:{index}" for index in range(len(self.visible))) or self.devices

    def with_devices(self, count: int) -> WorkerJob:
        """Return the job with as many devices as a trial needs; on a CPU, several ranks divide its threads.

        Raises:
            SearchError: it has another number of GPUs.
        """
        if count == len(self.devices):
            return self
        if self.devices == ("cpu",):
            return replace(self, peers=("cpu",) * (count - 1), threads=max(1, self.threads // count))
        raise SearchError(
            f"each trial of study {self.study!r} trains on {count} devices, but this worker has {self.place}; give the "
            f"study workers of its own with `{format_command('worker', '--study', self.study)}`"
        )

    @property
    def place(self) -> str:
        """The name of its devices together: workers of one place share them."""
        return ", ".join(self.devices)
