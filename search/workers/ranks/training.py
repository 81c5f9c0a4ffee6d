"""The worker's side of a trial on several devices: starts its ranks, answers them, tells causes apart, ends them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from objectives.base.errors import StopTraining, TrainingError
from objectives.core.loop import Report
from objectives.data.batches.share import Share
from objectives.data.files.errors import DataError
from objectives.models.weights import PackedNetwork
from objectives.training.callbacks import TrainingCallback
from search.workers.ranks.messages import (
    Answer,
    Call,
    Ended,
    Failed,
    Progress,
    RankBug,
    RankJob,
    RankLost,
    RankPlan,
    Stop,
    TrialTask,
)
from search.workers.ranks.process import run_rank

CALLABLE = ("report_refused", "note_engine", "note_parameters", "note_layers", "note_confusion", "due", "keep")
"""The methods of its callback that the first rank may call."""
GRACE_SECONDS = 2.0
"""How long a training loop of the objective's own has to end after it was told to stop."""
LAST_WORDS_SECONDS = 5.0
"""How long to wait for the exit code of a rank that seems to have died."""

# Starts a process that calls the function with the arguments, and returns it.
StartProcess = Callable[[Callable[..., None], tuple[object, ...]], BaseProcess]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rank:
    """A running rank."""

    number: int
    process: BaseProcess
    connection: Connection

    @property
    def handles(self) -> tuple[Connection | int, Connection | int]:
        """What is ready once the rank has told something, or has died."""
        return self.connection, self.process.sentinel

    def receive(self) -> object:
        """Return the next message; that it has died counts as a failure."""
        try:
            if self.connection.poll():
                return self.connection.recv()
        except (EOFError, OSError):
            pass
        self.process.join(LAST_WORDS_SECONDS)
        return self.describe_death() or Failed(
            cause="lost", text=f"rank {self.number} of the training closed its pipe", at=time.monotonic()
        )

    def describe_death(self) -> Failed | None:
        """Return what there is to say about a rank that has died; None if it lives."""
        code = self.process.exitcode
        text = f"rank {self.number} of the training died (code {code})"
        return None if code is None else Failed(cause="lost", text=text, at=time.monotonic())

    def drain(self) -> Iterator[object]:
        """Yield what it has told by now."""
        with suppress(EOFError, OSError):
            while self.connection.poll():
                yield self.connection.recv()

    def send(self, message: object) -> None:
        """Tell it something; one that is dead is noticed elsewhere."""
        with suppress(OSError):
            self.connection.send(message)


def train_on_ranks(
    plan: RankPlan, task: TrialTask, start: StartProcess, report: Report, callback: TrainingCallback
) -> tuple[PackedNetwork, int | None]:
    """Train a trial on the plan's devices; return its network, and the peak of its first GPU's memory in bytes.

    Args:
        plan: What the worker's ranks share.
        task: The training.
        start: Starts a process.
        report: Called as the first rank reports.
        callback: What the first rank tells of its training goes to this one.

    Raises:
        RankLost: a rank died; the trial can be resumed elsewhere.
        RankBug: the objective failed on a rank.
        StopTraining, Diverged, OutOfMemory, DataError: as `objectives.core.run.train`, on any rank.
        Exception: what the report or the callback raised: training has ended on all ranks.
    """
    with start_ranks(plan, task, start) as ranks:
        ended = RankedTraining(ranks, report, callback, own_loop=task.own_loop).run()
    if ended.network is None:
        raise StopTraining
    return ended.network, ended.peak_bytes


@contextmanager
def start_ranks(plan: RankPlan, task: TrialTask, start: StartProcess) -> Iterator[list[Rank]]:
    """Start a trial's ranks, and end those left at the end of the block."""
    ranks: list[Rank] = []
    with tempfile.TemporaryDirectory(prefix="depthsearch-", ignore_cleanup_errors=True) as folder:
        try:
            for number in range(len(plan.devices)):
                share = Share(rank=number, ranks=len(plan.devices))
                job = RankJob(plan=plan, task=task, share=share, rendezvous=str(Path(folder, "ranks")))
                ours, theirs = Pipe()
                ranks.append(Rank(number=number, process=start(run_rank, (job, theirs)), connection=ours))
                theirs.close()
            yield ranks
        finally:
            _end(ranks)


def _end(ranks: Sequence[Rank]) -> None:
    """End ranks: each ends when its pipe is closed, and is killed if it does not soon."""
    for rank in ranks:
        rank.connection.close()
    deadline = time.monotonic() + GRACE_SECONDS
    for rank in ranks:
        rank.process.join(max(0.0, deadline - time.monotonic()))
        rank.process.kill()
        rank.process.join()


class RankedTraining:
    """Listens to the ranks of one trial until the first one has ended."""

    def __init__(
        self, ranks: Sequence[Rank], report: Report, callback: TrainingCallback, *, own_loop: bool = False
    ) -> None:
        """Listen to ranks; `own_loop` says whether they run a training loop of the objective's own."""
        self._left = {rank.number: rank for rank in ranks}
        self._report = report
        self._callback = callback
        self._own_loop = own_loop
        self._reported: dict[int, Answer] = {}
        self._waiting: dict[int, int] = {}

    def run(self) -> Ended:
        """Return how the first rank has ended; the errors are those of `train_on_ranks`."""
        first = self._left[0]
        try:
            while (ended := self._listen(first)) is None:
                pass
        except (RankBug, RankLost, TrainingError, DataError):
            raise  # from a rank, for which the others wait
        except Exception:
            self._stop_all()
            raise
        self._let_end()
        return ended

    def _listen(self, first: Rank) -> Ended | None:
        """Handle what comes next; return how the first rank has ended, once it has."""
        for rank in self._wait():
            message = rank.receive()
            match message:
                case Progress():
                    self._note_progress(first)
                case Call("report", (int(epoch), dict(metrics))):
                    self._note_report(rank, epoch, metrics)
                case Call(method, arguments) if rank is first and method in CALLABLE:
                    rank.send(self._answer(getattr(self._callback, method), *arguments))
                case Ended():
                    del self._left[rank.number]
                    if rank is first:
                        return message
                case Failed():
                    raise self._find_cause(rank, message)
                case _:
                    raise RankLost(f"rank {rank.number} of the training said {message!r:.100}")
        return None

    def _wait(self, seconds: float | None = None) -> list[Rank]:
        """Return the ranks that have told something or died."""
        handles = [handle for rank in self._left.values() for handle in rank.handles]
        by_handle: dict[object, Rank] = {handle: rank for rank in self._left.values() for handle in rank.handles}
        return [*{by_handle[ready].number: by_handle[ready] for ready in wait(handles, seconds)}.values()]

    def _note_progress(self, first: Rank) -> None:
        if self._answer(self._callback.beat).stops:
            first.send(Stop())

    def _note_report(self, rank: Rank, epoch: int, metrics: Mapping[str, float]) -> None:
        """Take the first rank's report; answer the others with what it came to, once it has."""
        self._waiting[rank.number] = epoch
        if rank.number == 0:
            self._reported[epoch] = self._answer(self._report, epoch, metrics)
        for number, waited in [*self._waiting.items()]:
            if waited in self._reported and number in self._left:
                del self._waiting[number]
                self._left[number].send(self._reported[waited])

    def _answer(self, method: Callable[..., object], *arguments: object) -> Answer:
        try:
            return Answer(method(*arguments))
        except StopTraining:
            return Answer(stops=True)

    def _find_cause(self, rank: Rank, failed: Failed) -> Exception:
        """Return the error that has ended the training, of all that the ranks have told."""
        others = [other for other in self._left.values() if other is not rank]
        messages = [message for other in others for message in other.drain()]
        cause = choose_cause([failed, *(message for message in messages if isinstance(message, Failed))])
        if cause.cause == "lost":  # a rank may have noticed the death of another one before this process has
            wait([each.process.sentinel for each in self._left.values()], LAST_WORDS_SECONDS)
            cause = next(filter(None, (each.describe_death() for each in self._left.values())), cause)
        return cause.to_error()

    def _stop_all(self) -> None:
        for rank in self._left.values():
            rank.send(Stop())
        self._let_end()

    def _let_end(self) -> None:
        """Give training loops of the objective's own the time to end in order; ours hold nothing by then."""
        deadline = time.monotonic() + GRACE_SECONDS
        while self._own_loop and self._left and time.monotonic() < deadline:
            for rank in self._wait(max(0.0, deadline - time.monotonic())):
                match rank.receive():
                    case Call("report", (int(epoch), dict())):
                        rank.send(self._reported.get(epoch, Answer(stops=True)))
                    case Call():
                        rank.send(Answer(stops=True))
                    case Ended() | Failed():
                        del self._left[rank.number]


def choose_cause(told: Sequence[Failed]) -> Failed:
    """Return which of the ranks' failures was first; one that lost touch with another has failed because of that."""
    return min(told, key=lambda failed: (failed.cause == "lost", failed.at))
