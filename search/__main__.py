"""The `search` command."""

from __future__ import annotations

import sys

from search.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
