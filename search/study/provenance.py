"""The software that a study was created with."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("depthsearch", "torch", "optuna", "numpy", "torchmetrics")


def find_package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on, without importing any."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def find_git_commit(folder: Path) -> str | None:
    """Return the commit that is checked out in `folder`, with `+` if files have changed; None outside of git."""
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty=+"]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return shown.stdout.strip() or None
