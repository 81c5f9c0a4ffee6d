"""Calls that every Python started by this process makes first, whatever starts it: spawn, a fork server, `python -c`.

They travel in the environment, so that a child's children make them as well. Outside are programs that are not Python,
Python older than 3.11, and Python that is told to ignore the environment or site (`-I`, `-E`, `-S`, another `env`).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from objectives.importing.startup import sitecustomize
from objectives.importing.startup.sitecustomize import VARIABLE


def call_in_children(file: str, argument: object) -> None:
    """Have each Python that is started from now on call `start(argument)` of a module before its own program.

    Args:
        file: The module's file, which must need the standard library alone.
        argument: What JSON can hold.
    """
    folder = str(Path(sitecustomize.__file__).parent)
    listed = json.loads(os.environ.get(VARIABLE, "[]"))
    call = [os.path.abspath(file), argument]
    if call not in listed:
        os.environ[VARIABLE] = json.dumps([*listed, call])
    others = os.environ.get("PYTHONPATH")
    if others is None:
        os.environ["PYTHONPATH"] = folder
    elif folder not in others.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join((folder, others))
