"""The evaluation of a network as one CUDA graph for each batch of equal size.

E: batches, B: examples of a batch, K: classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.base.device import Precision, autocast
from objectives.data.batches.examples import Examples
from objectives.training.confusion import count_classes
from objectives.training.engines.recording import Recorder, Work
from objectives.training.evaluation import EVALUATION_BATCH, evaluate
from objectives.training.random_states import get_random_states, set_random_states

LARGEST_DIFFERENCE = 0.01
"""The most by which the recorded loss may differ from the eager one, as a share of it."""


class CapturedEvaluation:
    """Measures one network, again and again; the first time eagerly, which the recording is compared with.

    counts_KK: what each measurement counts into, as `evaluate` does; None to count nothing.
    """

    def __init__(
        self,
        model: nn.Module,
        examples: Examples,
        precision: Precision,
        recorder: Recorder,
        counts_KK: Tensor | None = None,
    ) -> None:
        self._model, self._examples, self._precision, self._recorder = model, examples, precision, recorder
        self._counts_KK = counts_KK
        device, count = examples.device, len(examples)
        self._batches = math.ceil(count / EVALUATION_BATCH)
        shape = (self._batches, math.ceil(count / self._batches))
        places = torch.arange(shape[0] * shape[1], device=device)
        self._real_EB = (places < count).view(shape)
        chosen = places.clamp(max=count - 1)
        self._rows_EB = examples.indices[chosen].view(shape)
        self._labels_EB = examples.labels[chosen].view(shape)
        self._batch = torch.zeros(1, dtype=torch.int64, device=device)
        self._sums_2 = torch.zeros(2, dtype=torch.float64, device=device)
        self._run: Work | None = None
        self._failed = False

    def __call__(self, beat: Callable[[], None]) -> dict[str, float]:
        """Return the accuracy (0 to 1) and the mean cross-entropy loss (nats) over all examples."""
        if self._run is not None:
            self._model.eval()
            return self._measure(self._run, beat)
        metrics = evaluate(self._model, self._examples, self._precision, beat, counts_KK=self._counts_KK)
        return metrics if self._failed else self._record(metrics, beat)

    def _record(self, eager: dict[str, float], beat: Callable[[], None]) -> dict[str, float]:
        """Record the evaluation and return what it measures; if that fails, it stays eager."""
        states, measured = get_random_states(self._examples.device), eager
        counted_KK = None if self._counts_KK is None else self._counts_KK.clone()
        try:
            with self._recorder.stream():
                self._measure(self._measure_batch, beat)
                self._run = self._recorder.record(self._measure_batch)
                measured = self._measure(self._run, beat)
        except RuntimeError:  # running out of memory is one, too
            self._failed = True
        finally:
            set_random_states(states, self._examples.device)
        self._failed = self._failed or abs(measured["loss"] - eager["loss"]) > LARGEST_DIFFERENCE * abs(eager["loss"])
        if self._failed:
            self._run = None
            if self._counts_KK is not None and counted_KK is not None:
                self._counts_KK.copy_(counted_KK)
            return eager
        return measured

    def _measure(self, run: Work, beat: Callable[[], None]) -> dict[str, float]:
        self._batch.zero_()
        self._sums_2.zero_()
        if self._counts_KK is not None:
            self._counts_KK.zero_()
        for _ in range(self._batches):
            run()
            beat()
        right, loss = self._sums_2.tolist()
        return {"accuracy": right / len(self._examples), "loss": loss / len(self._examples)}

    @torch.no_grad()
    def _measure_batch(self) -> None:
        rows_B, y_B, real_B = (
            table.index_select(0, self._batch).squeeze(0) for table in (self._rows_EB, self._labels_EB, self._real_EB)
        )
        with autocast(self._examples.device, self._precision):
            logits_BK = self._model(self._examples.make_batch(rows_B))
        taken_B = logits_BK.argmax(dim=1)
        count_classes(self._counts_KK, logits_BK, taken_B, y_B, real_B)
        right_B = (taken_B == y_B) & real_B
        loss_B = F.cross_entropy(logits_BK.float(), y_B, reduction="none") * real_B
        self._sums_2.add_(torch.stack((right_B.sum(), loss_B.sum(dtype=torch.float64))))
        self._batch.add_(1)
