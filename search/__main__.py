"""The `search` command."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from search.cli.own_packages import run_program


def main() -> int:
    """Run the command line and return its exit code."""
    # What is imported stays. By default it would be visited again for each 700 further objects.
    gc.set_threshold(50_000)
    return run_program(str(Path(__file__).parents[1]))


if __name__ == "__main__":
    sys.exit(main())
