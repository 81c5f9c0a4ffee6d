"""What is printed for people."""

from __future__ import annotations

import pytest

from search.display.output import Decoding


@pytest.mark.parametrize("decoded", [0, 1])
def test_the_progress_of_decoding_leaves_no_line_in_a_pipe(decoded: int, capsys: pytest.CaptureFixture[str]) -> None:
    with Decoding("decoding digits") as show:
        for done in range(decoded):
            show(done, decoded)
    assert tuple(capsys.readouterr()) == ("", "")
