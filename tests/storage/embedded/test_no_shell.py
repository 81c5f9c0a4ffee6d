"""No name of a folder reaches a shell: we start no program by one, and initdb, which does, gets only plain names."""

import ast
from pathlib import Path

import pytest

from storage.embedded.server import EmbeddedServer
from storage.errors import EmbeddedServerError
from tests.conftest import execute

ROOT = Path(__file__).parents[3]
FILES = [path for package in ("spaces", "objectives", "storage", "search") for path in (ROOT / package).rglob("*.py")]
CALLS = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell", "spawnlp", "spawnvp"}
PROGRAMS = {"sh", "bash", "/bin/sh", "/bin/bash", "pg_ctl"}


def shells(tree: ast.AST) -> list[str]:
    """Return what starts a program through a shell in a module."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CALLS:
            found.append(node.attr)
        if isinstance(node, ast.keyword) and node.arg == "shell":
            found.append("shell=")
        if isinstance(node, ast.Constant) and node.value in PROGRAMS:
            found.append(str(node.value))
    return found


def test_no_process_is_started_by_a_shell() -> None:
    assert [(str(path), found) for path in FILES if (found := shells(ast.parse(path.read_text())))] == []


def test_a_shell_is_found() -> None:
    tree = ast.parse("os.system('x'); subprocess.run('x', shell=True); run(['/bin/sh', '-c', 'x']); f(bin / 'pg_ctl')")
    assert sorted(shells(tree)) == ["/bin/sh", "pg_ctl", "shell=", "system"]


def test_a_command_in_the_homes_name_is_not_carried_out(home: Path) -> None:
    home.chmod(0o777)  # so that the server's user could write there
    proof = home / "PWNED"
    with pytest.raises(EmbeddedServerError, match=r"has a '\$' in its name.*set SEARCH_HOME to a folder without them"):
        EmbeddedServer(home / f"$(touch {proof})").acquire()
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("character", ["`", "$", '"', "\\", "\n"])
def test_a_home_that_a_shell_would_not_take_literally_is_refused_at_once(home: Path, character: str) -> None:
    with pytest.raises(EmbeddedServerError, match="in its name, and none of"):
        EmbeddedServer(home / f"a{character}b")
    assert list(home.iterdir()) == []


def test_a_home_with_other_strange_characters_works(home: Path) -> None:
    odd = home / "it's; a (home) & more | ~ * \t ü \x0b \u2028 %41"
    with EmbeddedServer(odd) as url:
        assert execute(url, "SELECT 1") == [(1,)]
        assert EmbeddedServer(odd).status().running
    assert not EmbeddedServer(odd).status().running
