"""What comes after recorded work waits for it, however that ended. Streams are made up, where there is no GPU."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from objectives.training.engines.recording import Recorder


class FakeStream:
    """A stream that notes which others it has waited for."""

    def __init__(self) -> None:
        self.waited: list[FakeStream] = []

    def wait_stream(self, other: FakeStream) -> None:
        self.waited.append(other)


@pytest.mark.parametrize("error", [None, RuntimeError("made up")])
def test_both_streams_wait_for_each_other(error: RuntimeError | None, monkeypatch: pytest.MonkeyPatch) -> None:
    main, own = FakeStream(), FakeStream()
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: main)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    recorder = Recorder(torch.device("cpu"))
    recorder._stream = own  # type: ignore[assignment]
    with nullcontext() if error is None else pytest.raises(RuntimeError, match="made up"), recorder.stream():
        assert (main.waited, own.waited) == ([], [main])
        if error is not None:
            raise error
    assert (main.waited, own.waited) == ([own], [main])
