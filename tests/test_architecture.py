"""The arrows between packages, and who may touch test files, as the design fixes them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "spaces": set(),
    "objectives": {"spaces"},
    "storage": set(),
    "search": {"spaces", "objectives", "storage"},
}
HELD_OUT = "objectives.data.heldout"
LONGEST_FILE = 250
MOST_IN_SEARCH = 20
MOST_IN_A_FOLDER = 18


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever the statement stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert isinstance(node, ast.Import) or node.level == 0, f"{path}: relative import"
            yield from imported_names(node)


def imported_names(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Every module, and every name of one, that a statement imports."""
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
    else:
        module = node.module or ""
        yield module
        yield from (f"{module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_run_one_way(package: str) -> None:
    others = MAY_IMPORT.keys() - MAY_IMPORT[package] - {package}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if name.partition(".")[0] in others
    ]
    assert wrong == []


def test_only_the_final_step_imports_the_held_out_data() -> None:
    users = {
        str(path.relative_to(ROOT))
        for package in MAY_IMPORT
        for path in modules(package)
        if any(name == HELD_OUT or name.startswith(f"{HELD_OUT}.") for name in imports(path))
    }
    assert users == {"search/evaluation/score.py"}


@pytest.mark.parametrize(
    ("module", "user"),
    [
        ("search.evaluation.score", "search/evaluation/final.py"),
        ("search.evaluation.final", "search/api/scoring.py"),
    ],
)
def test_only_one_module_scores(module: str, user: str) -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in modules("search")
        if any(name == module or name.startswith(f"{module}.") for name in imports(path))
    }
    assert users == {user}


def test_a_worker_cannot_reach_what_scores() -> None:
    arrows = module_arrows()
    reached = {module for module in arrows if module.startswith("search.workers.")}
    assert len(reached) > 5
    while new := {name for module in reached for name in arrows[module]} - reached:
        reached |= new
    assert not {"search.evaluation.score", "search.evaluation.final", HELD_OUT} & reached


def test_spaces_and_storage_never_import_torch() -> None:
    users = [
        str(path.relative_to(ROOT))
        for package in ("spaces", "storage")
        for path in modules(package)
        if any(name.partition(".")[0] == "torch" for name in imports(path))
    ]
    assert users == []


def test_objectives_know_neither_trials_nor_sql() -> None:
    users = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules("objectives")
        for name in imports(path)
        if name.partition(".")[0] in {"optuna", "sqlalchemy", "psycopg2"}
    ]
    assert users == []


def test_files_stay_short() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for package in MAY_IMPORT
        for path in modules(package)
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_the_top_level_holds_what_the_design_fixes() -> None:
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: what belongs to the project is not known")
    tops = {name.partition("/")[0] for name in listed.stdout.splitlines()}
    fixed = {
        "pyproject.toml",
        "README.md",
        "docker-compose.yml",
        "search",
        "objectives",
        "spaces",
        "storage",
        "tests",
    }
    others = {"LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Dockerfile", "docs"}
    assert {top for top in tops if not top.startswith(".")} <= fixed | others


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions count, too: a late import may save time, it may not hide a circle."""
    assert find_circle(module_arrows()) == []


def test_no_folders_import_each_other_in_a_circle() -> None:
    """A folder is the files that lie directly in it; those at the top of a package stand each for itself."""
    arrows: dict[str, set[str]] = {}
    for module, wanted in module_arrows().items():
        arrows.setdefault(room_of(module), set()).update(room_of(name) for name in wanted)
    assert find_circle({room: wanted - {room} for room, wanted in arrows.items()}) == []


def test_folders_stay_small() -> None:
    found = {
        str(folder.relative_to(ROOT)): len(entries)
        for package in MAY_IMPORT
        for folder in [ROOT / package, *(ROOT / package).rglob("*/")]
        if folder.name != "__pycache__"
        and len(entries := [entry for entry in folder.iterdir() if entry.name != "__pycache__"])
        > (MOST_IN_SEARCH if folder == ROOT / "search" else MOST_IN_A_FOLDER)
    }
    assert found == {}


def test_a_circle_is_found() -> None:
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


def module_arrows() -> dict[str, set[str]]:
    """Every module of ours with the modules of ours that it imports."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for package in MAY_IMPORT
        for path in modules(package)
    }
    arrows = {module: {name for name in imports(path) if name in files} - {module} for module, path in files.items()}
    for module in arrows:
        # `from package import module` also names the package; that it runs the package's __init__ is no use of it.
        arrows[module] -= {name for name in arrows[module] if module.startswith(f"{name}.")}
    return arrows


def room_of(module: str) -> str:
    """The folder of a module; a module at the top of a package is a room of its own, and so is a package itself."""
    path = ROOT.joinpath(*module.split("."))
    if path.is_dir() or module.count(".") < 2:
        return module
    return module.rpartition(".")[0]


def find_circle(arrows: dict[str, set[str]]) -> list[str]:
    """The nodes that lie on a circle or lead to one; empty where all arrows run one way."""
    left = dict(arrows)
    while free := [node for node, wanted in left.items() if not wanted & left.keys()]:
        for node in free:
            del left[node]
    return sorted(left)
