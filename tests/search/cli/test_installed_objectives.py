"""An objective that comes as an installed package of two modules, found by its entry point."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.conftest import execute
from tests.search.command import Ended, done, finished, search

PYPROJECT = """
    [build-system]
    requires = ["setuptools"]
    build-backend = "setuptools.build_meta"

    [project]
    name = "letterbox"
    version = "1.0"

    [project.entry-points."depthsearch.objectives"]
    two-blocks = "letterbox.study"

    [tool.setuptools]
    packages = ["letterbox"]
"""

BLOCKS = """
    from torch import nn


    class Block(nn.Module):
        def __init__(self, features, units):
            super().__init__()
            self.linear = nn.Linear(features, units)

        def forward(self, x):
            return self.linear(x).relu()
"""

STUDY = """
    from torch import nn

    from objectives.core.objective import Objective
    from spaces import Float, Int, Space

    from .blocks import Block


    def build_model(config):
        assert Block.__module__ == "letterbox.blocks" and __name__ == "letterbox.study"
        channels, height, width = config.image_shape
        features = channels * height * width
        return nn.Sequential(nn.Flatten(), Block(features, config.units), nn.Linear(config.units, config.classes))


    OBJECTIVE = Objective(
        description="one block of an installed package",
        data="digits",
        build_model=build_model,
        epochs=1,
        trials=2,
        space=Space(units=Int(8, 64, log=True), learning_rate=Float(1e-3, 1e-2, log=True)),
    )
"""

STUDY_NAME = ("--study", "two-blocks")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of every command, with the package installed in it."""
    source, site = tmp_path / "source", tmp_path / "site"
    (source / "letterbox").mkdir(parents=True)
    (source / "pyproject.toml").write_text(textwrap.dedent(PYPROJECT))
    (source / "letterbox" / "__init__.py").write_text("")
    (source / "letterbox" / "blocks.py").write_text(textwrap.dedent(BLOCKS))
    (source / "letterbox" / "study.py").write_text(textwrap.dedent(STUDY))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(site), str(source)], check=True)
    known = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", str(site) if known is None else f"{site}{os.pathsep}{known}")
    return site


def count_finished() -> int:
    return finished(done("status", *STUDY_NAME, "--json").document)


@pytest.mark.slow
def test_it_is_searched_resumed_lent_and_scored(
    site: Path, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    assert "two-blocks" in done("space").out
    done("run", "--objective", "two-blocks", "--workers", "1")
    assert count_finished() == 2
    done("run", *STUDY_NAME, "--trials", "3", "--workers", "1")
    done("resume", *STUDY_NAME, "--trials", "4", "--workers", "1")
    assert count_finished() == 4
    # A second machine: it has the package, and nobody has named a path or an objective there.
    execute(database_url, "UPDATE depthsearch.studies SET trials = 5")
    done("worker", *STUDY_NAME, "--workers", "1", env={"SEARCH_HOME": str(tmp_path / "other")})
    assert count_finished() == 5
    final = done("final", *STUDY_NAME, "--json", "--out", tmp_path / "out").document
    assert final["first_time"] is True


def refuse() -> Ended:
    ended = search("run", *STUDY_NAME, "--trials", "3", "--workers", "1")
    assert ended.code == 2, ended.err
    return ended


@pytest.mark.long
@pytest.mark.slow
def test_a_change_in_either_module_is_refused(site: Path) -> None:
    done("run", "--objective", "two-blocks", "--workers", "1")
    for name in ("blocks.py", "study.py"):
        path = site / "letterbox" / name
        text = path.read_text()
        path.write_text(text + "\nCHANGED = True\n")
        assert "objective_hash" in refuse().err
        path.write_text(text)
    done("run", *STUDY_NAME, "--trials", "3", "--workers", "1")
    assert count_finished() == 3
