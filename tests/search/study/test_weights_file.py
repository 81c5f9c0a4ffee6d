"""A study whose trials start from a file of weights: its hash is stored, and another file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from objectives.core.objective import Objective
from objectives.core.run import build_network
from spaces import Configuration, Fixed, Space
from tests.search.cli.test_own_objectives import write
from tests.search.command import done, search

OBJECTIVE = """
    from objectives import Objective, REUSES, choose
    from spaces import Fixed, Float, Space

    OBJECTIVE = Objective(
        data="digits", model="mlp", epochs=1, trials=1,
        space=Space(
            depth=Fixed(2), width=Fixed(8), learning_rate=Float(1e-3, 1e-2),
            reuse=choose(REUSES, "file", layers=Fixed(1), freeze_epochs=Fixed(1)),
        ),
    )
"""


def write_weights(path: Path, seed: int) -> None:
    torch.manual_seed(seed)
    objective = Objective(data="digits", model="mlp", space=Space(depth=Fixed(2), width=Fixed(8)))
    config = Configuration({"depth": 2, "width": 8, "image_shape": (1, 8, 8), "classes": 10})
    save_file(build_network(objective, config).state_dict(), path)


@pytest.mark.slow
def test_the_files_hash_belongs_to_the_study(tmp_path: Path, database_url: str) -> None:
    file = write(tmp_path, "filed.py", OBJECTIVE)
    weights = tmp_path / "weights" / "own.safetensors"
    weights.parent.mkdir()
    run = ("run", "--objective", str(file), "--storage", database_url, "--data", str(tmp_path), "--workers", "1")
    named = (*run, "--set", "file=weights/own.safetensors")
    for arguments, sentence in (
        (run, "reuse 'file' needs a file of weights; use --set file=PATH (absolute, or relative to the data folder)"),
        (named, f"the file of weights {weights} cannot be read (No such file or directory); nothing is downloaded"),
    ):
        refused = search(*arguments)
        assert (refused.code, len(refused.lines)) == (2, 1), refused.err
        assert sentence in refused.err
    write_weights(weights, seed=1)
    done(*named)
    done("final", "--study", "filed", "--storage", database_url, "--data", str(tmp_path), "--out", str(tmp_path / "o"))
    write_weights(weights, seed=2)
    refused = search(*run, "--trials", "2")
    assert refused.code == 2
    assert "~ source 'file:weights/own.safetensors': " in refused.err
    assert "cannot continue on these" in refused.err
