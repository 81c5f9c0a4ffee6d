"""Finds depthsearch's four packages by their names, whatever else of these names PYTHONPATH or the working folder has.

The `search` program runs this file before it imports any package, and so does each `multiprocessing` process of a
command that needs it. It uses the standard library alone.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

NAMES = ("objectives", "search", "spaces", "storage")
# Each of the four `__init__.py` says it at its beginning.
MARK = b"depthsearch"
# Where `objectives.importing.children` keeps the calls.
_VARIABLE = "DEPTHSEARCH_STARTUP"


class OwnPackages:
    """A finder of Python's import system that knows the four names only."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find one of the four packages in their folder."""
        return PathFinder.find_spec(name, [self.folder]) if name in NAMES else None


def run_program(folder: str) -> int:
    """Run the command line with the packages of a folder, and return its exit code."""
    # What is imported stays. By default it would be visited again for each 700 further objects.
    gc.set_threshold(50_000)
    # Nothing has begun yet: until `run_guarded` handles Ctrl-C, it ends this program as any other, without a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for name in NAMES:
        if not _is_ours(file := os.path.join(folder, name, "__init__.py")):
            print(f"error: {_explain(name, file)}", file=sys.stderr)
            return 1
    hidden = _is_hidden(folder)
    sys.meta_path.insert(0, OwnPackages(folder))
    if hidden:
        from objectives.importing.children import call_in_children

        call_in_children(__file__, folder)
    from search.cli.app import main

    return main()


def start(folder: str) -> None:
    """Find the packages in a process of `multiprocessing`, too, which gets functions and objects of theirs.

    Any other program that an objective starts keeps its own modules of these names, and so do its children.
    """
    if any("from multiprocessing." in word for word in sys.orig_argv):
        sys.meta_path.insert(0, OwnPackages(folder))
    else:
        calls = json.loads(os.environ[_VARIABLE])
        os.environ[_VARIABLE] = json.dumps([call for call in calls if call[0] != __file__])


def _is_hidden(folder: str) -> bool:
    """Return whether Python would find something else under one of the names."""
    for name in NAMES:
        specs = (finder.find_spec(name, None) for finder in sys.meta_path)
        origin = next((spec.origin for spec in specs if spec is not None), None)
        if origin is None or os.path.realpath(os.path.dirname(origin)) != os.path.realpath(os.path.join(folder, name)):
            return True
    return False


def _is_ours(file: str) -> bool:
    try:
        with open(file, "rb") as opened:
            return MARK in opened.read(200)
    except OSError:
        return False


def _explain(name: str, file: str) -> str:
    from importlib.metadata import distributions

    # Their own lists: from Python 3.12 on, `packages_distributions` leaves out files that are missing.
    lists = ((each.name, (each.read_text("RECORD") or "").splitlines()) for each in distributions())
    owners = {owner for owner, lines in lists if any(line.startswith(f"{name}/") for line in lines)}
    others = sorted(owners - {"depthsearch"})
    by = f"another distribution ({', '.join(others)})" if others else "another distribution"
    wrong, how = ("is not depthsearch's", "replaced") if os.path.exists(file) else ("is missing", "removed")
    return (
        f"{file} {wrong}: {by} has {how} this file of depthsearch's package {name!r}; "
        "install depthsearch in an environment of its own"
    )
