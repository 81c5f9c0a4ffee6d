"""What each Python that a trial starts does first: the calls that `children.call_in_children` asked for.

Then the `sitecustomize` that would have run without this one runs as usual. Uses the standard library alone.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location

VARIABLE = "DEPTHSEARCH_STARTUP"


def start() -> None:
    """Make the calls that the environment lists, and run the next `sitecustomize`."""
    folder = os.path.dirname(os.path.abspath(__file__))
    # Children of this process inherit the folder by PYTHONPATH; nobody here needs to find anything in it.
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != folder]
    try:
        for number, (file, argument) in enumerate(json.loads(os.environ.get(VARIABLE, "[]"))):
            _call_start(f"_depthsearch_startup_{number}", file, argument)
    finally:
        _run_next()


def _call_start(name: str, file: str, argument: object) -> None:
    spec = spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    module.start(argument)


def _run_next() -> None:
    spec = PathFinder.find_spec(__name__, sys.path)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules[__name__] = module
        spec.loader.exec_module(module)


if __name__ == "sitecustomize" and sys.version_info >= (3, 11):
    start()
