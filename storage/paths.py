"""The folders that this program uses on a machine; no function here creates one."""

import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs

ROOT_HOME = Path("/var/lib/depthsearch")


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what must last: SEARCH_HOME, else the platform's folder for user data.

    Root's default is /var/lib/depthsearch: the embedded server runs as an unprivileged user, who cannot enter root's
    home folder.
    """
    if chosen := environ.get("SEARCH_HOME"):
        return Path(chosen).expanduser().absolute()
    if os.geteuid() == 0:
        return ROOT_HOME
    return platformdirs.user_data_path("depthsearch")


def config_file() -> Path | None:
    """Return the user's own file of settings; None for a user without a home folder."""
    path = platformdirs.user_config_path("depthsearch") / "search.toml"
    return path if path.is_absolute() else None


def cache(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what can be created again: SEARCH_CACHE, else the platform's cache folder."""
    if chosen := environ.get("SEARCH_CACHE"):
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("depthsearch")
