"""Which way a training's steps run, and what happens where a graph cannot hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import nn

from objectives.base.device import clear_memory
from objectives.base.errors import ObjectiveError
from objectives.data.batches.examples import Examples
from objectives.schedules.epoch_rates import EpochRates
from objectives.training.engines.captured import CapturedEngine, NotCapturable
from objectives.training.engines.eager import EagerEngine
from objectives.training.engines.engine import Engine, Training
from objectives.training.snapshot import Position

StepMode = Literal["auto", "eager", "graph"]


def choose_engine(mode: StepMode, training: Training, note: Callable[[str], None]) -> Engine:
    """Return what runs the training's steps.

    Several devices that train one network take its steps eagerly.

    mode: `eager` starts each operation from Python; `graph` launches whole steps on a CUDA device; `auto` does so
    where it can. note: is told which of the two runs, and why if it is not the one that `auto` prefers.

    Raises:
        ObjectiveError: `graph`, but there are several devices.
    """
    devices = training.step.group.share.ranks
    if devices > 1:
        if mode == "graph":
            raise ObjectiveError(f"step=graph is for one device, but {devices} train this network; use step=auto")
        if training.data.device.type == "cuda":
            note(f"eager: {devices} devices train the network together")
        return EagerEngine(training)
    if mode == "eager" or (training.data.device.type != "cuda" and mode == "auto"):
        return EagerEngine(training)
    return GraphOrEager(training, note, required=mode == "graph")


class GraphOrEager:
    """An `Engine` that records steps and, once that fails, takes them eagerly."""

    def __init__(self, training: Training, note: Callable[[str], None], *, required: bool) -> None:
        self._training, self._note, self._required = training, note, required
        self._engine: Engine = CapturedEngine(training)
        self._noted = False

    def start_epoch(self, rates: EpochRates, position: Position) -> None:
        """See `Engine`.

        Raises:
            ObjectiveError: the step cannot be recorded, and must be.
        """
        try:
            self._engine.start_epoch(rates, position)
            self._tell("graph")
            return
        except NotCapturable as error:
            reason = str(error)
            if self._required:
                raise ObjectiveError(
                    f"step=graph, but a CUDA graph cannot hold this network's step: {reason}; use step=auto"
                ) from error
        # Only now, because the error refers to what was recorded.
        self._engine.close()
        clear_memory(self._training.data.device)
        self._engine = EagerEngine(self._training)
        self._engine.start_epoch(rates, position)
        self._tell(f"eager: {reason}")

    def train_batch(self) -> None:
        self._engine.train_batch()

    def evaluate(self, model: nn.Module, examples: Examples) -> dict[str, float]:
        return self._engine.evaluate(model, examples)

    def close(self) -> None:
        self._engine.close()

    def _tell(self, what: str) -> None:
        if not self._noted or what != "graph":
            self._note(what)
        self._noted = True
