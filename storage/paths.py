"""Where this program keeps things on a machine; no function here creates a folder."""

import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs

ROOT_HOME = Path("/var/lib/depthsearch")


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what must last: SEARCH_HOME, else the platform's folder for user data.

    Root's default is /var/lib/depthsearch: the embedded server runs as an unprivileged user, which
    cannot enter root's own home.
    """
    if chosen := environ.get("SEARCH_HOME"):
        return Path(chosen).expanduser().absolute()
    if os.geteuid() == 0:
        return ROOT_HOME
    return platformdirs.user_data_path("depthsearch")


def cache(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what can be made again: SEARCH_CACHE, else the platform's cache folder."""
    if chosen := environ.get("SEARCH_CACHE"):
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("depthsearch")
