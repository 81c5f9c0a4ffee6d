"""Names that were meant."""

from __future__ import annotations

import ast
from pathlib import Path

from spaces.suggestions import find_close, suggest, suggest_and_list

ROOT = Path(__file__).parent.parent.parent
KNOWN = ("adam", "adamw", "sgd", "Fashion-MNIST")


def test_close_names_come_closest_first_whatever_their_case() -> None:
    assert find_close("adamx", KNOWN) == ("adam", "adamw")
    assert find_close("fashion-mnst", KNOWN) == ("Fashion-MNIST",)
    assert find_close("SGD", KNOWN) == ("sgd",)
    assert find_close("nothing", KNOWN) == ()
    assert find_close("a", ["aa", "ab", "ac", "ad"]) == ("ad", "ac", "ab")  # at most three


def test_a_suggestion_reads_as_a_question_or_is_replaced() -> None:
    assert suggest("adamx", KNOWN) == "did you mean adam or adamw?"
    assert suggest("nothing", KNOWN) == ""
    assert suggest("nothing", KNOWN, otherwise="see the list") == "see the list"
    assert suggest_and_list("sdg", ("sgd", "adam")) == "did you mean sgd? known: sgd, adam"
    assert suggest_and_list("nothing", ("sgd", "adam")) == "known: sgd, adam"


def test_nothing_else_looks_for_close_names() -> None:
    users = {
        str(path.relative_to(ROOT))
        for package in ("spaces", "objectives", "storage", "search")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import) and "difflib" in {name.name for name in node.names}
    }
    assert users == {"spaces/suggestions.py"}
