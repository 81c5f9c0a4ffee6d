"""Recording work on a CUDA device to run it again by one launch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import torch

Work = Callable[[], None]


class Recorder:
    """Records work as CUDA graphs that share one pool of memory; on another device, work is run as it is.

    A graph repeats the kernels of the moment at which it was recorded, on the same addresses. So the work must read
    what changes from tensors that stay where they are, and look at nothing on the host.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._graphs: list[torch.cuda.CUDAGraph] = []
        self._stream = _recording_stream(device) if device.type == "cuda" else None

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Run the block's work on the stream on which graphs are recorded, between what comes before and after it.

        Work must have run there once before it is recorded.
        """
        if self._stream is None:
            yield
            return
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:  # after an error, too: what was taken back there must be done before anything comes after it
            torch.cuda.current_stream(self._device).wait_stream(self._stream)

    @contextmanager
    def refuse_synchronization(self) -> Iterator[None]:
        """Let operations for which the host waits for the device raise RuntimeError: no graph could hold them."""
        if self._stream is None:
            yield
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls this mode a prototype
            torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")

    def record(self, work: Work) -> Work:
        """Record the work without running it, and return what runs it; within `stream`.

        Raises:
            RuntimeError: a graph cannot hold this work.
        """
        if self._stream is None:
            return work
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize(self._device)
        with _keep_generator(self._device):
            # Not `torch.cuda.graph`, which first gives back all cached memory, to ask for it again.
            graph.capture_begin(**self._options())
            try:
                work()
            except BaseException:
                with suppress(RuntimeError):  # it tells no more than that there has been an error
                    graph.capture_end()
                raise
            graph.capture_end()
        self._graphs.append(graph)
        return graph.replay

    def close(self) -> None:
        """Free the graphs; what was recorded must not be run any more."""
        for graph in self._graphs:
            graph.reset()
        self._graphs.clear()

    def _options(self) -> dict[str, Any]:
        pool = {"pool": self._graphs[0].pool()} if self._graphs else {}
        # The worker's other threads may talk to the device while this one records.
        return {**pool, "capture_error_mode": "thread_local"}


@cache
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """Return one stream for all recordings: libraries keep memory for every stream that they were used on."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextmanager
def _keep_generator(device: torch.device) -> Iterator[None]:
    """Keep the device's random generator usable after a recording that fails.

    torch leaves the generator's state in recording mode then, so the state is exchanged for a copy made before.
    """
    generator = torch.cuda.default_generators[device.index or 0]
    before = generator.clone_state()
    try:
        yield
    except BaseException:
        generator.graphsafe_set_state(before)
        raise
