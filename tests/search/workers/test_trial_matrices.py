"""A trial whose machine dies ends with the confusion matrix of its best epoch, which was before."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import execute
from tests.search.cli.test_own_objectives import write
from tests.search.command import done, search

# An epoch has 20 steps: from the end of the second one on, the network takes every image for the first class.
SPOILS = """
    import os
    import signal
    from pathlib import Path

    import torch
    from torch import nn

    from objectives import Objective
    from spaces import Fixed, Float, Space

    MAY_LIVE = Path(__file__).with_name("may_live")


    class Network(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.layer = nn.Linear(64, config.classes)
            self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

        def forward(self, x):
            logits = self.layer(x.flatten(1))
            if self.training:
                self.steps += 1
                if self.steps == 50 and not MAY_LIVE.exists():
                    MAY_LIVE.touch()
                    os.killpg(os.getsid(0), signal.SIGKILL)
                return logits
            return logits if self.steps < 30 else nn.functional.one_hot(torch.zeros(len(x), dtype=int), 10).float()


    OBJECTIVE = Objective(
        data="digits", build_model=Network, epochs=4, trials=1,
        space=Space(learning_rate=Float(0.01, 0.02), batch_size=Fixed(64)),
    )
"""
MATRICES = """
    SELECT study_name, epoch, counts::text FROM depthsearch.confusions JOIN trials USING (trial_id)
    JOIN studies USING (study_id) ORDER BY study_name
"""


@pytest.mark.slow
def test_a_trial_that_was_killed_has_the_matrix_of_an_undisturbed_one(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    monkeypatch.setenv("SEARCH_CHECKPOINT_SHARE", "1")
    path = write(tmp_path, "spoils.py", SPOILS)
    flags = ("--objective", path, "--workers", "1", "--experience", "none")
    assert search("run", "--study", "a-killed", *flags).code == -signal.SIGKILL
    for study in ("a-killed", "b-calm"):
        done("run", "--study", study, *flags)
    continued = "SELECT value_json FROM trial_user_attributes WHERE key = 'continued'"
    assert execute(database_url, continued) == [('["epoch 2"]',)], "the first one alone was resumed"
    killed, calm = execute(database_url, MATRICES)
    assert killed[1:] == calm[1:]
    assert killed[:2] == ("a-killed", 0)
