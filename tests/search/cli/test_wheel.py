"""The wheel holds the four packages, and its command runs where another `search` package lies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from storage.schema import VERSION
from tests.test_architecture import MAY_IMPORT, ROOT, modules


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # Built from a copy, so that no build folder is left in the checkout.
    source.mkdir()
    parts = [str(ROOT / name) for name in (*MAY_IMPORT, "pyproject.toml", "README.md", "LICENSE")]
    subprocess.run(["cp", "-r", *parts, str(source)], check=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(source)], check=True)
    [built] = folder.glob("depthsearch-*.whl")
    return built


def test_every_module_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.endswith(".py")}
    assert inside == {str(path.relative_to(ROOT)) for package in MAY_IMPORT for path in modules(package)}


@pytest.mark.slow
def test_it_runs_beside_another_search_package(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(pip, check=True)
    mine = tmp_path / "mine"
    for package in MAY_IMPORT:
        (mine / package).mkdir(parents=True)
        (mine / package / "__init__.py").write_text("raise ImportError('not the installed one')\n")

    def search(*arguments: str) -> Any:
        ended = subprocess.run(
            [sys.executable, str(site / "bin" / "search"), *arguments, "--json"],
            cwd=mine,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    made = search("run", "--study", "digits-depth", "--trials", "1", "--epochs", "1", "--workers", "1")
    assert made["states"]["complete"] == 1
    # The scripts that make and upgrade the tables are in the wheel, too.
    assert search("storage", "upgrade", "--check")["version"] == VERSION
