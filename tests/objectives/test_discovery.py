"""Finding objectives: those shipped, and a user's own files."""

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from objectives.base.errors import ObjectiveError
from objectives.base.names import is_path
from objectives.core.declaration import hash_declaration
from objectives.data.catalogue import DATASETS
from objectives.discovery import find_objective, objective_names
from objectives.importing.own_files import OwnFilesFinder
from objectives.models.catalogue import MODELS

SHIPPED = ("cifar-conv", "cifar-depth", "digits-depth", "fashion-conv", "fashion-depth")

OWN = """
from objectives.core.objective import Objective
from spaces import Int, Space, Fixed

OBJECTIVE = Objective(data="digits", model="mlp", trials=3, space=Space(depth=Int(1, 3), width=Fixed(8)))
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's own objective file."""
    path = tmp_path / "my_depth.py"
    path.write_text(OWN)
    return path


def test_all_shipped_are_listed() -> None:
    assert set(SHIPPED) <= set(objective_names())
    assert objective_names() == sorted(objective_names())


@pytest.mark.parametrize("name", objective_names())
def test_every_listed_objective_is_found_and_whole(name: str) -> None:
    found = find_objective(name)
    assert found.name == name
    assert found.objective.description
    assert found.objective.data in DATASETS
    assert found.objective.model in MODELS
    assert found.objective.space.distributions()
    assert found.source_hash == hash_declaration(found.objective)
    assert find_objective(str(found.path)) == found


def test_a_copy_of_a_shipped_file_is_known_by_its_content(tmp_path: Path) -> None:
    copy = tmp_path / "my_digits.py"
    copy.write_bytes(find_objective("digits-depth").path.read_bytes())
    assert find_objective(str(copy)).source_hash == hashlib.sha256(copy.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("cifar-dept", "did you mean cifar-depth"),
        ("digits_depth", "did you mean digits-depth"),
        ("Fashion-conv", "did you mean fashion-conv"),
        ("zzz", "known: .*digits-depth"),
        ("core", "known: .*cifar-conv"),
    ],
)
def test_unknown_name_is_told_with_close_matches(wrong: str, hint: str) -> None:
    with pytest.raises(ObjectiveError, match=f"unknown objective '{wrong}'.*{hint}.*or give the path of a file"):
        find_objective(wrong)


def test_nothing_is_no_name() -> None:
    with pytest.raises(ObjectiveError, match="'' is not the name of an objective"):
        find_objective("")


def test_file_is_found_by_its_path(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_objective(str(own))
    assert (found.name, found.objective.trials, found.path) == ("my-depth", 3, own)
    assert found.source_hash == hashlib.sha256(OWN.encode()).hexdigest()
    monkeypatch.chdir(own.parent)
    assert find_objective("my_depth.py").source_hash == find_objective("./my_depth.py").source_hash == found.source_hash


def test_what_a_file_defines_has_the_same_module_in_every_process(own: Path) -> None:
    """What one process pickles, another that has found the same file can load."""
    own.write_text(OWN + "\nclass Net:\n    pass\n")
    find_objective(str(own))
    (module,) = (module for module in sys.modules.values() if getattr(module, "__file__", None) == str(own))
    code = (
        "import pickle, sys; from objectives.discovery import find_objective; find_objective(sys.argv[1]); "
        "print(pickle.load(sys.stdin.buffer).__name__)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(own)], input=pickle.dumps(module.Net), capture_output=True, check=True
    )
    assert result.stdout.strip() == b"Net"


def test_edited_file_is_read_again_with_another_hash(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The edit has the same length and the same date: cached bytecode would not notice."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    first = find_objective(str(own))
    date = own.stat().st_mtime_ns
    own.write_text(OWN.replace("trials=3", "trials=4"))
    os.utime(own, ns=(date, date))
    second = find_objective(str(own))
    assert (first.objective.trials, second.objective.trials) == (3, 4)
    assert first.source_hash != second.source_hash
    assert not (own.parent / "__pycache__").exists()


def test_a_module_beside_the_file_is_imported_and_belongs_to_its_fingerprint(own: Path) -> None:
    """Imported in a function, in a package, or by another helper: a change of any gives another hash, and is read."""
    own.write_text(
        "from sizes import TRIALS\n" + OWN.replace("trials=3", "trials=TRIALS") + "def late(): import nets.deep\n"
    )
    (own.parent / "nets").mkdir()
    helpers = {
        "sizes.py": "from more import TRIALS",
        "more.py": "TRIALS = 4",
        "nets/__init__.py": "",
        "nets/deep.py": "",
    }
    for name, text in helpers.items():
        (own.parent / name).write_text(text)
    (own.parent / "unrelated.py").write_text("")
    first = find_objective(str(own))
    assert first.objective.trials == 4
    assert first.files.keys() == {"my_depth.py", *helpers}
    (own.parent / "unrelated.py").write_text("changed = True")
    assert find_objective(str(own)) == first
    for name in helpers:
        before = find_objective(str(own)).source_hash
        (own.parent / name).write_text(helpers[name].replace("4", "5") + "\n")
        assert find_objective(str(own)).source_hash != before
    assert find_objective(str(own)).objective.trials == 5
    assert all(not isinstance(finder, OwnFilesFinder) for finder in sys.meta_path)


def test_a_module_beside_the_file_replaces_neither_the_library_nor_an_imported_one(own: Path) -> None:
    for name in ("random.py", "search.py", "pytest.py"):
        (own.parent / name).write_text("1 / 0")
    (own.parent / "torch").mkdir()
    own.write_text("import random, pytest, torch\nassert torch.__file__ and random.random\n" + OWN)
    assert find_objective(str(own)).objective.trials == 3


def test_a_file_that_ends_the_program_is_told(own: Path) -> None:
    own.write_text("import argparse\nargparse.ArgumentParser().parse_args(['--no-such-flag'])\n" + OWN)
    with pytest.raises(ObjectiveError, match=rf"objective file {own} cannot be read: .*sys.exit\(2\).*__main__"):
        find_objective(str(own))


def test_absent_file_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.py", tmp_path):
        with pytest.raises(ObjectiveError, match=f"there is no objective file {path}"):
            find_objective(str(path))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("OBJECTIVE = (", "SyntaxError"),
        ("from .x import y", "ImportError: attempted relative import.*install a package of several modules"),
        (OWN.replace('model="mlp"', 'model="mpl"'), "ObjectiveError: unknown model 'mpl'; did you mean mlp"),
        (OWN.replace("Int(1, 3)", "Int(3, 1)"), "SpaceError: low <= high"),
    ],
)
def test_file_with_an_error_is_told(own: Path, text: str, reason: str) -> None:
    own.write_text(text)
    for _ in range(2):  # what failed once must not count as loaded
        with pytest.raises(ObjectiveError, match=f"objective file {own} cannot be read: {reason}"):
            find_objective(str(own))


@pytest.mark.parametrize("text", ["", "OBJECTIVE = 3", "objective = None"])
def test_file_without_an_objective_is_told(own: Path, text: str) -> None:
    own.write_text(text)
    with pytest.raises(ObjectiveError, match=f"{own} defines no objective; it needs OBJECTIVE = Objective"):
        find_objective(str(own))


def test_file_needs_no_suffix(own: Path) -> None:
    other = own.rename(own.with_suffix(".txt"))
    assert find_objective(str(other)).name == "my-depth"


def test_names_and_paths_are_told_apart() -> None:
    assert [is_path(it) for it in ("cifar-depth", "mine.py", "./mine", "a/b")] == [False, True, True, True]


def test_reading_spaces_and_digests_imports_no_torch() -> None:
    code = (
        "import sys; from objectives.discovery import find_objective, objective_names; "
        "assert all(len(find_objective(name).objective.space.digest) == 64 for name in objective_names()); "
        "sys.exit(','.join({'torch', 'torchvision', 'torchmetrics', 'sklearn'} & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


class Installed:
    """A made-up distribution on the path of this process, with an entry point for one objective."""

    def __init__(self, site: Path, value: str) -> None:
        self.site = site
        folder = site / "made_up-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[depthsearch.objectives]\nmade-up = {value}\n")

    def write(self, name: str, text: str) -> Path:
        path = self.site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path of this process, whose modules are forgotten at the end."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - known:
        if getattr(sys.modules[name], "__file__", None) is None or str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def test_installed_objective_is_imported_under_its_own_name(site: Path) -> None:
    package = Installed(site, "made_up.sub.study")
    package.write("made_up/__init__.py", "")
    package.write("made_up/sub/__init__.py", "")
    package.write("made_up/sub/study.py", OWN + "from ..trials import MORE\n")
    helper = package.write("made_up/trials.py", "MORE = 5\n")
    found = find_objective("made-up")
    assert "made-up" in objective_names()
    assert (found.name, found.origin, found.is_shipped) == ("made-up", "installed", False)
    assert found.objective is sys.modules["made_up.sub.study"].OBJECTIVE
    for path in (helper, package.write("made_up/sub/never_imported.py", "")):
        before = find_objective("made-up").source_hash
        path.write_text("MORE = 6\n")
        assert find_objective("made-up").source_hash != before


def test_hash_of_an_installed_package_depends_on_its_files_alone(site: Path) -> None:
    package = Installed(site, "made_up.study:SMALL")
    package.write("made_up/__init__.py", "")
    package.write("made_up/study.py", OWN.replace("OBJECTIVE", "SMALL"))
    found = find_objective("made-up")
    assert found.objective.trials == 3
    assert len(found.source_hash) == 64
    package.write("made_up/notes.txt", "not source code")
    package.write("beside.py", "")
    assert find_objective("made-up").source_hash == found.source_hash


def test_single_module_in_a_namespace_counts_alone(site: Path) -> None:
    package = Installed(site, "made_up_space.study")
    path = package.write("made_up_space/study.py", OWN)
    package.write("made_up_space/other/__init__.py", "")
    assert find_objective("made-up").source_hash == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("from . import nothing", "cannot be imported: ImportError: cannot import name 'nothing'"),
        ("OBJECTIVE = 3", "study.py defines no objective; it needs OBJECTIVE = Objective"),
    ],
)
def test_installed_objective_with_an_error_is_told(site: Path, text: str, reason: str) -> None:
    package = Installed(site, "made_up.study")
    package.write("made_up/__init__.py", "")
    package.write("made_up/study.py", text)
    with pytest.raises(ObjectiveError, match=reason):
        find_objective("made-up")
