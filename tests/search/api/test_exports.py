"""What can be imported from each package: it is there, typed, and imported only when it is used."""

from __future__ import annotations

import ast
import importlib
import inspect
import resource
import subprocess
import sys

import pytest

from tests.test_architecture import MAY_IMPORT, ROOT

PUBLIC = ("objectives", "search", "spaces")
LAZY = ("objectives", "search")
IMPORT_STUDY = (
    "import search, sys; assert 'torch' not in sys.modules and 'optuna' not in sys.modules; search.Study; "
    "print([name for name in ('torch', 'optuna', 'sqlalchemy', 'pydantic', 'numpy') if name in sys.modules])"
)


@pytest.mark.parametrize("package", PUBLIC)
def test_every_exported_name_can_be_imported(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", LAZY)
def test_type_checkers_see_what_is_exported(package: str) -> None:
    module = importlib.import_module(package)
    seen = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for each in node.body:
                assert isinstance(each, ast.ImportFrom)
                seen |= {name.asname or name.name: each.module for name in each.names}
    assert seen == module._HOMES
    assert seen.keys() == set(module.__all__)


@pytest.mark.parametrize("package", LAZY)
def test_an_unknown_name_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match=f"'{package}' has no attribute 'Studdy'"):
        importlib.import_module(package).__getattr__("Studdy")


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_the_packages_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()


def test_importing_search_takes_less_than_150_ms_of_cpu_and_loads_nothing_heavy() -> None:
    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ended = subprocess.run([sys.executable, "-P", "-c", IMPORT_STUDY], capture_output=True, text=True, check=True)
        assert ended.stdout == "[]\n"
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # The least of several: other work on the machine only ever adds.
    assert min(seconds() for _ in range(5)) < 0.15


def test_what_an_objective_needs_is_imported_without_torch() -> None:
    code = "import sys; from objectives import *; from spaces import *; print('torch' in sys.modules, len(OPTIMIZERS))"
    ended = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    loaded, count = ended.stdout.split()
    assert loaded == "False"
    assert int(count) > 5


def test_a_look_at_a_study_imports_nothing_that_trains_or_fits() -> None:
    code = "import sys, search.api.session; print({'torch', 'scipy', 'alembic', 'pandas', 'sklearn'} & {*sys.modules})"
    ended = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"
