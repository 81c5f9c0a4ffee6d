"""The `search` command."""

from __future__ import annotations

import sys
from pathlib import Path

from search.cli.own_packages import run_program


def main() -> int:
    """Run the command line and return its exit code."""
    return run_program(str(Path(__file__).parents[1]))


if __name__ == "__main__":
    sys.exit(main())
