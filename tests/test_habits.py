"""Every public thing has a docstring; loading of weights never runs code."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.test_architecture import MAY_IMPORT, ROOT, modules


def _undocumented(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    missing = [] if ast.get_docstring(tree) else [f"{path.relative_to(ROOT)}: module"]
    for node in tree.body:
        public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if public and not ast.get_docstring(node):
            missing.append(f"{path.relative_to(ROOT)}: {node.name}")
    return missing


def test_public_things_have_docstrings() -> None:
    assert [line for package in MAY_IMPORT for path in modules(package) for line in _undocumented(path)] == []


def test_torch_load_is_called_with_weights_only() -> None:
    calls = [
        node
        for package in MAY_IMPORT
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    for call in calls:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert given.get("weights_only") == "True"
