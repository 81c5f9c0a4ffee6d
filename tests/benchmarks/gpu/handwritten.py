"""Training loops written by hand, eager and as CUDA graphs, to compare an epoch of `train` with.

N: examples, B: a batch, C: channels, H, W: height and width.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.data.batches.examples import Examples, TrainValidation
from objectives.training.evaluation import EVALUATION_BATCH


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One network's training by hand: normal pixels, half of the images mirrored if `mirror`, autocast if `half`."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    data: TrainValidation
    batch: int
    half: bool
    mirror: bool

    def measure(self, epochs: int, *, graph: bool) -> tuple[list[float], float]:
        """Train; return the seconds of every epoch, and the accuracy at the end."""
        train, device = self.data.train, self.data.device
        step = self._record(train.make_batch(train.indices[: self.batch]), train.labels[: self.batch], graph=graph)
        seconds, accuracy = [], 0.0
        for _ in range(epochs):
            torch.cuda.synchronize()
            started = time.perf_counter()
            self.model.train()
            order = torch.randperm(len(train), device=device)
            for start in range(0, len(train) - self.batch + 1, self.batch):
                chosen = order[start : start + self.batch]
                x_BCHW = train.make_batch(train.indices[chosen])
                if self.mirror and start % 2:
                    x_BCHW = x_BCHW.flip(-1)
                step(x_BCHW, train.labels[chosen])
            accuracy = self._evaluate(self.data.validation)
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started)
        return seconds, accuracy

    def _record(self, x_BCHW: Tensor, y_B: Tensor, *, graph: bool) -> Callable[[Tensor, Tensor], object]:
        if not graph:
            return self._step
        x_BCHW, y_B, stream = x_BCHW.clone(), y_B.clone(), torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._step(x_BCHW, y_B)
        torch.cuda.current_stream().wait_stream(stream)
        recorded = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recorded, stream=stream):
            self._step(x_BCHW, y_B)

        def step(new_x_BCHW: Tensor, new_y_B: Tensor) -> None:
            x_BCHW.copy_(new_x_BCHW)
            y_B.copy_(new_y_B)
            recorded.replay()

        return step

    def _step(self, x_BCHW: Tensor, y_B: Tensor) -> None:
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=self.half):
            loss = F.cross_entropy(self.model(x_BCHW), y_B)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()

    @torch.no_grad()
    def _evaluate(self, examples: Examples) -> float:
        self.model.eval()
        right = torch.zeros((), device=examples.device)
        for x_BCHW, y_B in examples.batches(EVALUATION_BATCH, order_seed=None):
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=self.half):
                right += (self.model(x_BCHW).argmax(1) == y_B).sum()
        return right.item() / len(examples)
