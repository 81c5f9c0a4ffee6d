"""The wheel holds the four packages, typed; its command and the programs of the Python API's page run from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from storage.schema import VERSION
from tests.markdown import find_fences
from tests.search.command import start_script
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


def test_the_packages_in_the_wheel_are_typed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        typed = {name for name in archive.namelist() if name.endswith("py.typed")}
    assert typed == {f"{package}/py.typed" for package in MAY_IMPORT}


def test_the_files_that_modules_read_are_in_the_wheel(wheel: Path) -> None:
    files = [
        str(path.relative_to(ROOT))
        for package in MAY_IMPORT
        for path in (ROOT / package).rglob("*")
        if path.suffix in {".json", ".html", ".css", ".js", ".j2"}
    ]
    with zipfile.ZipFile(wheel) as archive:
        assert set(files) <= set(archive.namelist())
    assert {Path(name).suffix for name in files} == {".json", ".html", ".css", ".js", ".j2"}


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel is installed."""
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(pip, check=True)
    return site


def run_installed(site: Path, folder: Path, *command: str | Path) -> str:
    """Run Python with the installed packages, after what PYTHONPATH has; return what is printed on stdout."""
    before = filter(None, [os.environ.get("PYTHONPATH")])
    ended = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((*before, str(site)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
@pytest.mark.long
def test_it_runs_where_pythonpath_has_other_packages_of_these_names_and_without_torch_in_the_parent(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in MAY_IMPORT:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('not the installed one')\n")
    run = ("run", "--study", "digits-depth", "--trials", "1", "--epochs", "1", "--workers", "1", "--json")
    tell = "json.dump([name in sys.modules for name in ('optuna', 'torch')], open('found', 'w'))"
    code = f"import atexit, json, runpy, sys; sys.argv[1:] = {run}; atexit.register(lambda: {tell}); "
    code += f"runpy.run_path({str(site / 'bin' / 'search')!r}, run_name='__main__')"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    document = run_installed(site, tmp_path, "-P", "-c", code)
    assert json.loads(document)["states"]["complete"] == 1
    assert json.loads((tmp_path / "found").read_text()) == [True, False], "the parent of the workers imports torch"
    # The scripts that make and upgrade the tables are in the wheel, too.
    checked = run_installed(site, tmp_path, site / "bin" / "search", "storage", "upgrade", "--check", "--json")
    assert json.loads(checked)["version"] == VERSION


# One after another in one process, which imports everything once; tests/search/api/test_scripts.py has scripts.
RUN_ALL = (
    "import runpy, sys\nfor name in sys.argv[1:]:\n    runpy.run_path(name, run_name='__main__')\n    print('===')"
)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("source", ["checkout", "wheel"])
def test_the_programs_of_the_python_api_page_run(source: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    programs = {
        program.splitlines()[0].removeprefix("# "): program
        for program in find_fences((ROOT / "docs" / "python-api.md").read_text(), "python")
    }
    assert list(programs) == ["first.py", "own.py", "again.py"]
    for name, program in programs.items():
        (tmp_path / name).write_text(program)
    (tmp_path / "all.py").write_text(RUN_ALL)
    if source == "wheel":
        printed = run_installed(request.getfixturevalue("site"), tmp_path, "all.py", *programs)
    else:
        process = start_script(tmp_path / "all.py", *programs)
        printed, errors = process.communicate()
        assert process.returncode == 0, errors
    first, own, again, _ = printed.split("===\n")
    assert "first: 4 of 4 trials (" in first.splitlines()[-5]
    assert [line.split(":")[0] for line in first.splitlines()[-3:]] == ["epoch 1", "epoch 2", "epoch 3"]
    assert own.splitlines()[-1].startswith("test accuracy 0.")
    assert again.splitlines()[-1].endswith(" on the test set")
    assert (tmp_path / "curves.html").stat().st_size > 1000
    assert (tmp_path / "winner" / "model.safetensors").exists()
