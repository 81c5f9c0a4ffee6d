"""What a worker gives its ranks, and what they tell each other through pipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from objectives.base.errors import Diverged, OutOfMemory
from objectives.data.batches.share import Share
from objectives.data.files.errors import DataError
from objectives.data.files.prepared import Stamp
from objectives.models.weights import PackedNetwork
from objectives.reuse.context import Source
from objectives.training.engines.choice import StepMode
from search.settings import Settings
from spaces import Configuration
from storage.records.studies import StudyRecord


@dataclass(frozen=True, kw_only=True)
class RankPlan:
    """What all ranks of a worker share, whichever trial they train."""

    record: StudyRecord
    objective: str | None
    """Name or path given by the user; None for the objective that the study was created with."""
    settings: Settings
    """Those of the worker, but for the storage."""
    checked: Stamp | None
    devices: tuple[str, ...]
    """One for each rank."""
    threads: int
    """CPU threads of each rank, 1 or more."""


@dataclass(frozen=True, kw_only=True)
class TrialTask:
    """The training of one trial."""

    config: Configuration
    epochs: int
    seed: int
    sources: Mapping[str, Source]
    step_mode: StepMode
    state: bytes | None = field(default=None, repr=False)
    """Where to resume; None to start from the beginning."""
    wants_layers: bool = False
    own_loop: bool = False
    """Whether the objective trains in a loop of its own."""


@dataclass(frozen=True, kw_only=True)
class RankJob:
    """What one rank does for one trial."""

    plan: RankPlan
    task: TrialTask
    share: Share
    rendezvous: str
    """The path of a file by which the ranks find each other, in a folder that no other user can open."""

    @property
    def device(self) -> str:
        """The rank's device."""
        return self.plan.devices[self.share.rank]


@dataclass(frozen=True)
class Progress:
    """From the first rank: its training has got on."""


@dataclass(frozen=True)
class Call:
    """From a rank: a method of the worker's, to be answered."""

    method: str
    arguments: tuple[object, ...]


@dataclass(frozen=True)
class Answer:
    """To a rank: what its call returned, or that its training is to stop there."""

    value: object = None
    stops: bool = False


@dataclass(frozen=True)
class Stop:
    """To a rank: its training is to stop soon."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """From a rank: its training has ended, or stopped as it was told to. network: the first rank's, if it has ended."""

    network: PackedNetwork | None = None
    peak_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Failed:
    """From a rank: why its training failed."""

    cause: Literal["diverged", "out of memory", "data", "bug", "lost"]
    """`lost`: neither the objective nor the configuration is to blame; the trial can be trained elsewhere."""
    text: str
    at: float
    """When, by the machine's clock that only runs on (seconds)."""
    peak_bytes: int = 0
    bug: Mapping[str, str] = field(default_factory=dict)
    """As `describe_bug` returns it."""

    def to_error(self) -> Exception:
        """Return the exception that the worker raises for it."""
        match self.cause:
            case "diverged":
                return Diverged(self.text)
            case "out of memory":
                return OutOfMemory(self.text, self.peak_bytes)
            case "data":
                return DataError(self.text)
            case "bug":
                return RankBug(self.bug)
            case "lost":
                return RankLost(self.text)


class RankLost(Exception):
    """A rank died or lost its GPU: the worker ends without a message, and the trial is resumed as after its death."""


class RankBug(Exception):
    """The objective failed on a rank, as `bug` describes it."""

    def __init__(self, bug: Mapping[str, str]) -> None:
        super().__init__(bug.get("error", "the objective failed"))
        self.bug = bug
