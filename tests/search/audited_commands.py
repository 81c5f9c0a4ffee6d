"""Run commands over a study whose stored values name a path, one after another, and tell what touched that path.

Run as `python -m tests.search.audited_commands STORAGE STUDY PATH`; prints one JSON document, {value: [event, ...]}, on
the last line. A process of its own, because an audit hook cannot be removed, and the final step seals its process.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from search.cli.app import build_app
from tests.conftest import execute

TOUCHING = ("open", "import", "exec", "ctypes.dlopen", "subprocess.Popen", "shutil.", "os.", "tempfile.", "glob.")
COMMANDS = (["list"], ["status"], ["final"], ["resume"])


def main() -> None:
    """Change one stored value at a time, run every command, and put the value back."""
    storage, study, path = sys.argv[1:]
    os.environ["SEARCH_STORAGE"] = storage
    touched: dict[str, list[str]] = {}
    seen: list[str] = []
    sys.addaudithook(lambda event, args: seen.append(event) if _touches(event, args, path) else None)
    [[spec]] = execute(storage, f"SELECT spec FROM depthsearch.studies WHERE name = '{study}'")
    for where, changed in name_everywhere(spec, path):
        _store(storage, study, changed)
        for command in COMMANDS:
            _run([*command, *([] if command == ["list"] else ["--study", study])])
        touched[where], seen[:] = list(seen), []
    _store(storage, study, spec)
    print(json.dumps(touched))


def name_everywhere(value: Any, path: str, where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every copy of a JSON value in which one text, or one name of a value, is the path."""
    if value is None or isinstance(value, str):
        yield where, path
    elif isinstance(value, list):
        yield f"{where}+", [*value, path]
        for number, each in enumerate(value[:2]):
            for deeper, changed in name_everywhere(each, path, f"{where}[{number}]"):
                yield deeper, [*value[:number], changed, *value[number + 1 :]]
    elif isinstance(value, dict) and where != "space":
        yield f"{where}.", {**value, path: 1}
        for name, each in value.items():
            for deeper, changed in name_everywhere(each, path, f"{where}.{name}" if where else name):
                yield deeper, {**value, name: changed}


def _touches(event: str, args: tuple[object, ...], path: str) -> bool:
    return event.startswith(TOUCHING) and any(path in str(arg) for arg in args if not isinstance(arg, dict))


def _store(storage: str, study: str, spec: object) -> None:
    text = json.dumps(spec).replace("'", "''")
    execute(storage, f"UPDATE depthsearch.studies SET spec = '{text}'::json WHERE name = '{study}'")


def _run(arguments: list[str]) -> None:
    sys.argv = ["search", *arguments]
    hidden = io.StringIO()
    with (
        contextlib.redirect_stdout(hidden),
        contextlib.redirect_stderr(hidden),
        contextlib.suppress(Exception, SystemExit),
    ):
        build_app()(standalone_mode=False)


if __name__ == "__main__":
    main()
