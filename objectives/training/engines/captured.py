"""Whole steps as one CUDA graph: one launch for each, so that the GPU does not wait for Python.

S: an epoch's batches, B: examples of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from objectives.base.errors import first_line
from objectives.base.seeds import derive_seed
from objectives.data.batches.examples import Examples
from objectives.data.batches.random_changes import Draws
from objectives.optimizers.execution import is_capturable
from objectives.schedules.epoch_rates import EpochRates
from objectives.training.engines.captured_evaluation import CapturedEvaluation
from objectives.training.engines.engine import Training
from objectives.training.engines.recording import Recorder, Work
from objectives.training.engines.rewinding import Rewind, copy_tensors, list_tensors, measure_distance
from objectives.training.evaluation import evaluate
from objectives.training.random_states import hash_host_states
from objectives.training.snapshot import Position
from objectives.training.step import set_rates

CHECKED_STEPS = 2
"""Steps that are taken eagerly and recorded, and compared; the second shows what only changes once it is there."""
LARGEST_DIFFERENCE = 0.1
"""The most by which the recorded steps may differ from the eager ones, as a share of what these change.

Some kernels add up in another order each time; a stale or missing part of a step makes it wrong by more than half.
"""
NO_MEMORY = "there is too little memory to try its steps and take them back"


class NotCapturable(Exception):
    """A graph cannot hold this network's step; the message says why."""


class CapturedEngine:
    """An `Engine` that records a step once and repeats it, reading what changes from tables on the device.

    The learning rate is read from the epoch's table, too. An optimizer that torch has no recordable step of, or whose
    momentum moves, takes its steps outside the graph.
    """

    def __init__(self, training: Training) -> None:
        self._training = training
        data = training.data
        self._device = data.device
        self._recorder = Recorder(self._device)
        S, B = training.steps, min(training.batch_size, len(data.train))
        self._rows_SB = torch.zeros((S, B), dtype=torch.int64, device=self._device)
        self._labels_SB = torch.zeros_like(self._rows_SB)
        self._rates_S = torch.zeros(S, device=self._device)
        self._within_B = torch.arange(B, device=self._device)
        self._draws: Draws | None = None
        self._batch = torch.zeros(1, dtype=torch.int64, device=self._device)
        self._rate = torch.zeros((), device=self._device)
        self._loss = torch.zeros((), device=self._device)
        self._recorded: tuple[object, ...] = ()
        self._run: Work = lambda: None
        self._evaluations: dict[Examples, CapturedEvaluation] = {}

    def start_epoch(self, rates: EpochRates, position: Position) -> None:
        """See `Engine`.

        Raises:
            NotCapturable: a graph cannot hold the step; the run's state is unchanged.
        """
        self._fill_tables(rates, position)
        self._rates, self._position = rates, position
        optimizer = self._training.step.optimizer
        self._whole = rates.momenta is None and is_capturable(optimizer, self._device)
        if self._whole:
            set_rates(optimizer, self._rate, None)
        # What the graph has fixed besides the addresses: frozen stages, and the modes of modules.
        model = self._training.step.model
        fixed = (
            self._whole,
            *(parameter.requires_grad for parameter in model.parameters()),
            *(module.training for module in model.modules()),
        )
        if fixed != self._recorded:
            self._record()
            self._recorded = fixed

    def train_batch(self) -> None:
        self._run()
        if not self._whole:
            self._update_outside(self._position.batches)

    def evaluate(self, model: nn.Module, examples: Examples) -> dict[str, float]:
        precision, beat = self._training.step.precision, self._training.beat
        counts_KK = self._training.counts_of(examples)
        if model is not self._training.step.model:
            return evaluate(model, examples, precision, beat, counts_KK=counts_KK)
        if examples not in self._evaluations:
            self._evaluations[examples] = CapturedEvaluation(model, examples, precision, self._recorder, counts_KK)
        return self._evaluations[examples](beat)

    def close(self) -> None:
        self._run = lambda: None
        self._evaluations.clear()
        self._training.step.optimizer.zero_grad(set_to_none=True)  # they lie in the graphs' memory
        self._recorder.close()

    def _fill_tables(self, rates: EpochRates, position: Position) -> None:
        train, shape = self._training.data.train, self._rows_SB.shape
        order_N, draws = train.draw_epoch(
            derive_seed(self._training.seed, "order", position.epoch), self._training.augment, position.epoch
        )
        used = order_N[: shape.numel()]
        self._rows_SB.copy_(train.indices[used].view(shape))
        self._labels_SB.copy_(train.labels[used].view(shape))
        if draws is not None:
            drawn = draws.pick(slice(0, shape.numel()))
            if self._draws is None:
                self._draws = drawn
            else:
                self._draws.copy_(drawn)
        self._rates_S.copy_(torch.tensor(rates.learning_rates))
        self._batch.fill_(position.batches)
        self._loss.copy_(position.loss)
        position.loss = self._loss

    def _take_step(self) -> None:
        """Everything that is recorded: a function of tensors that stay where they are."""
        train, batch = self._training.data.train, self._batch
        rows_B = self._rows_SB.index_select(0, batch).squeeze(0)
        y_B = self._labels_SB.index_select(0, batch).squeeze(0)
        draws = None if self._draws is None else self._draws.pick(batch * len(self._within_B) + self._within_B)
        self._loss.add_(self._training.step.compute_gradients(train.make_batch(rows_B, draws), y_B))
        if self._whole:
            self._rate.copy_(self._rates_S.index_select(0, batch).squeeze(0))
            # Groups with a rate of their own get it from this one, in the graph.
            set_rates(self._training.step.optimizer, self._rate, None)
            self._training.step.update()
        batch.add_(1)

    def _update_outside(self, batch: int) -> None:
        rates = self._rates
        momentum = None if rates.momenta is None else rates.momenta[batch]
        set_rates(self._training.step.optimizer, rates.learning_rates[batch], momentum)
        self._training.step.update()

    def _record(self) -> None:
        """Record the step, and compare what it does with what the same step does eagerly."""
        step, loss = self._training.step, self._loss.clone()
        tensors = list_tensors(step.model)
        try:
            start = Rewind(step.model, step.optimizer, self._device)
        except torch.OutOfMemoryError as error:
            raise NotCapturable(NO_MEMORY) from error
        with self._recorder.stream():
            try:
                expected = self._try_eagerly(tensors)
                start.restore()
                self._run = self._recorder.record(self._take_step)
                self._take_checked_steps(self._run)
                off, change = measure_distance(expected, tensors), start.measure_change(expected)
            except RuntimeError as error:  # running out of memory is one, too
                short = isinstance(error, torch.OutOfMemoryError)
                raise NotCapturable(NO_MEMORY if short else first_line(error)) from error
            finally:
                start.restore()
                self._batch.fill_(self._position.batches)
                self._loss.copy_(loss)
        if off > LARGEST_DIFFERENCE * change:
            raise NotCapturable(f"recorded steps end {off:.3g} from where eager ones end, which is {change:.3g} away")

    def _try_eagerly(self, tensors: list[Tensor]) -> list[Tensor]:
        """Take the checked steps and return the weights after them, if the network can be recorded."""
        model, host = self._training.step.model, hash_host_states(self._device)
        self._take_checked_steps(self._take_step)  # the first use of a kernel may synchronize
        expected = copy_tensors(tensors)
        with self._recorder.refuse_synchronization():
            self._take_step_of(0, self._take_step)
        if hash_host_states(self._device) != host:
            raise NotCapturable("the network draws random numbers on the CPU")
        if any(one is not other for one, other in zip(tensors, list_tensors(model), strict=True)):
            raise NotCapturable("the network replaces its buffers by others")
        if not all(isinstance(value, Tensor) for value in model.state_dict().values()):
            raise NotCapturable("the network has state that is no tensor")
        return expected

    def _take_checked_steps(self, work: Work) -> None:
        for number in range(CHECKED_STEPS):
            self._take_step_of(number % len(self._rows_SB), work)

    def _take_step_of(self, batch: int, work: Work) -> None:
        self._batch.fill_(batch)
        work()
        if not self._whole:
            self._update_outside(batch)
