"""What is printed for people."""

from __future__ import annotations

import pytest

from search.display.output import Decoding, format_float


@pytest.mark.parametrize("decoded", [0, 1])
def test_the_progress_of_decoding_leaves_no_line_in_a_pipe(decoded: int, capsys: pytest.CaptureFixture[str]) -> None:
    with Decoding("decoding digits") as show:
        for done in range(decoded):
            show(done, decoded)
    assert tuple(capsys.readouterr()) == ("", "")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.99999, "0.99999"), (1.0, "1"), (0.05, "0.05"), (0.0123456, "0.0123"), (2000.0, "2e+03"), (1e-9, "1e-09")],
)
def test_what_is_not_whole_does_not_look_whole(value: float, shown: str) -> None:
    assert format_float(value, 3) == shown
