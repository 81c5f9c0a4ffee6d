"""The documentation: links resolve, commands and programs exist, generated pages are current, the README is short."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from search.evaluation.results.score import Score
from tests import docs
from tests.json_documents import DOCUMENTS, list_fields, reach
from tests.markdown import find_code, find_fences, find_links, list_anchors, split_commands
from tests.search.evaluation.test_results import VERSION_3
from tests.test_architecture import MAY_IMPORT

README = docs.ROOT / "README.md"
CONTRIBUTING = docs.ROOT / "CONTRIBUTING.md"
PAGES = [
    README,
    CONTRIBUTING,
    docs.ROOT / "CHANGELOG.md",
    docs.ROOT / "SECURITY.md",
    *sorted((docs.ROOT / "docs").rglob("*.md")),
]
MOST_WORDS = 1500
# What a score does not say if it does not apply, or if an earlier program did not store it.
LEFT_OUT = {"first_time", "test_examples_in_training", "retrained_examples", "retraining"}
LEFT_OUT |= {"abstention", "mean_deviation", "void_reason", "energy_wh"}
PICTURES = {"docs/images/terminal.png", "docs/images/dashboard.png", "docs/images/learning-curves.png"}
LARGEST_PICTURE_BYTES = 60_000


def named(path: Path) -> str:
    return str(path.relative_to(docs.ROOT))


pages = pytest.mark.parametrize("page", PAGES, ids=named)


@pytest.mark.parametrize("name", docs.pages())
def test_a_generated_page_is_current(name: str) -> None:
    assert (docs.REFERENCE / name).read_text() == docs.pages()[name], "write it again with: python -m tests.docs"


def check_documented(document: object, hint: Any) -> None:
    """Assert that the JSON of a type has the documented fields and no others, all the way down."""
    kinds = {kind.__name__: kind for kind in reach(hint)}
    if isinstance(hint, type) and hint in kinds.values():
        assert isinstance(document, dict)
        fields = {field.name: field.hint for field in list_fields(hint)}
        assert document.keys() <= fields.keys(), hint
        assert fields.keys() - document.keys() <= LEFT_OUT, hint
        for name in document:
            check_documented(document[name], fields[name])
    elif kinds and document is not None:
        inner = next(part for part in get_args(hint) if reach(part))
        for entry in document if isinstance(document, list) else [document]:
            check_documented(entry, inner)


@pytest.mark.parametrize("name", VERSION_3)
def test_every_field_of_a_score_is_documented(name: str) -> None:
    check_documented({**VERSION_3[name], "test_examples_in_training": 0}, Score)


def test_every_reference_page_is_generated() -> None:
    assert {path.name for path in docs.REFERENCE.iterdir()} == docs.pages().keys()


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len(README.read_text().split()) <= MOST_WORDS


def test_the_documentation_shows_small_pictures() -> None:
    links = {page: [link for link in find_links(page.read_text()) if link.endswith(".png")] for page in PAGES}
    shown = {named((page.parent / link).resolve()) for page in PAGES for link in links[page]}
    assert shown == PICTURES
    for picture in shown:
        content = (docs.ROOT / picture).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < LARGEST_PICTURE_BYTES


@pages
def test_every_link_resolves(page: Path) -> None:
    assert [link for link in find_links(page.read_text()) if not is_link(page, link)] == []


def is_link(page: Path, link: str) -> bool:
    """Whether a relative link leads to a file and, if it names one, to a heading in it; others are not tried."""
    if link.startswith(("https://", "mailto:")):
        return True
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or anchor in list_anchors(target))


def test_every_page_is_linked_from_the_index() -> None:
    index = docs.ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in find_links(index.read_text())}
    assert {named(page) for page in PAGES if page != index and page.resolve() not in linked} == set()


@pages
def test_every_shell_command_of_the_program_is_one(page: Path) -> None:
    for fence in find_fences(page.read_text(), "sh"):
        for words in split_commands(fence):
            if words[0].rpartition("/")[2] == "search":
                parse(words[1:])


def parse(words: list[str]) -> None:
    """Parse a command line as the application does, without running it; an unknown flag or a missing one raises."""
    name, *rest = words
    if name not in ("--help", "--debug"):
        assert name in docs.commands(), f"search has no command {name!r}"
        docs.commands()[name].make_context(name, rest)


@pages
def test_commands_and_flags_in_a_sentence_exist(page: Path) -> None:
    wrong = [code for code in find_code(page.read_text()) if code.startswith("search ") and not is_command(code)]
    assert wrong == []


def is_command(code: str) -> bool:
    """Whether `search NAME --flag ...` names a command and flags of it; what it needs besides may be left out."""
    name, *rest = [word for word in code.replace(" --config FILE", "").split()[1:] if word != "--debug"] or ["COMMAND"]
    if name in ("--help", "COMMAND"):
        return True
    command = docs.commands().get(name)
    known = {
        flag for parameter in getattr(command, "params", ()) for flag in (*parameter.opts, *parameter.secondary_opts)
    }
    return command is not None and {word for word in rest if word.startswith("--")} <= {*known, "--help"}


@pages
def test_every_program_compiles_and_imports_what_there_is(page: Path) -> None:
    for program in find_fences(page.read_text(), "python"):
        for node in ast.walk(ast.parse(program)):
            if isinstance(node, ast.ImportFrom):
                module: Any = importlib.import_module(str(node.module))
                assert [name.name for name in node.names if not hasattr(module, name.name)] == []


@pages
def test_files_in_a_sentence_exist(page: Path) -> None:
    named = [
        code
        for code in find_code(page.read_text())
        if re.match(r"(spaces|objectives|storage|search|tests|docs)/", code)
    ]
    assert [name for name in named if "<" not in name and not list(docs.ROOT.glob(name.rstrip("/")))] == []


def test_contributing_names_every_folder() -> None:
    text = CONTRIBUTING.read_text()
    listed = text.partition("## Layout")[2].partition("\n## ")[0]
    rooms = [
        folder for package in MAY_IMPORT for folder in (docs.ROOT / package).glob("*/") if any(folder.glob("*.py"))
    ]
    assert [named(room) for room in rooms if f" {room.name}/" not in listed] == []


def test_contributing_sends_nobody_to_a_registry_that_is_elsewhere() -> None:
    rows = [line for line in CONTRIBUTING.read_text().splitlines() if line.startswith("| ") and ".py`" in line]
    assert len(rows) > 10
    for row in rows:
        files = "".join((docs.ROOT / code).read_text() for code in find_code(row) if (docs.ROOT / code).is_file())
        assert [code for code in find_code(row) if code.isupper() and code not in files] == [], row


@pytest.mark.slow
def test_the_readmes_own_network_is_searched_on_class_folders(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.objectives.data import made
    from tests.search.command import done

    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    [program] = [text for text in find_fences(README.read_text(), "python") if text.startswith("# flowers.py")]
    (tmp_path / "flowers.py").write_text(program)
    for part, examples in (("train", 20), ("test", 4)):
        made.write_folders(tmp_path / "flowers" / part, made.part(2, examples, (9, 7, 3)), ["daisy", "rose"])
    flags = ("--objective", tmp_path / "flowers.py", "--data", tmp_path, "--trials", "1", "--epochs", "1")
    shown = done("run", *flags, "--workers", "1", "--json").document
    assert shown["states"]["complete"] == 1
    check_documented(shown, DOCUMENTS["search run"])
    out = tmp_path / "results"
    score = done("final", "--study", "flowers", "--data", tmp_path, "--out", out, "--json").document
    assert score["test_examples"] == 8
    check_documented(score, DOCUMENTS["search final"])
    for words in (("list",), ("doctor",), ("data",), ("space",), ("space", "--study", "flowers")):
        document = done(*words, *(["--data", tmp_path] if words[0] in ("doctor", "data") else []), "--json").document
        check_documented(document, DOCUMENTS["search " + " ".join(words).replace("flowers", "NAME")])


@pytest.mark.long
def test_the_readmes_python_program_runs(tmp_path: Path) -> None:
    [program] = [text for text in find_fences(README.read_text(), "python") if "Study.create" in text]
    assert "trials=20" in program
    script = tmp_path / "readme.py"
    script.write_text(program.replace("trials=20", "trials=2, epochs=2") + "print(score.test_examples)\n")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "359"


def test_the_test_command_is_where_continuous_integration_looks_for_it() -> None:
    script = (docs.ROOT / ".ci" / "run").read_text()
    [line] = [line for line in script.splitlines() if line.startswith("test_command=")]
    found = subprocess.run(
        ["bash", "-c", f'{line}; printf %s "$test_command"'], cwd=docs.ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith("python3 -m venv .venv && ")
    assert found.stdout.endswith("/pytest")
    assert "\n" not in found.stdout


@pytest.mark.long
@pytest.mark.browser
def test_the_pictures_can_be_taken_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.pictures", "--trials=3", "--curves=12", f"--out={tmp_path}"]
    subprocess.run(command, cwd=docs.ROOT, check=True)
    assert {path.name for path in tmp_path.glob("*.png")} == {Path(picture).name for picture in PICTURES}
