"""What a test needs of the machine besides Python; CI has everything."""

from __future__ import annotations

import os
import shutil

import pytest


def need(*, reason: str, there: bool) -> None:
    """Skip a test if this machine lacks something; in CI, which has everything, fail it."""
    if there:
        return
    assert not os.environ.get("CI"), f"CI must be able to test this: {reason}"
    pytest.skip(reason)


def need_root_and(program: str) -> None:
    """Skip a test that needs root's rights and a program."""
    need(reason=f"needs root and {program}", there=os.geteuid() == 0 and shutil.which(program) is not None)
