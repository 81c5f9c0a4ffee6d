"""The folders that this program uses on a machine; no function here creates one."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs

from storage.errors import StorageError

ROOT_HOME = Path("/var/lib/depthsearch")


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what must last: SEARCH_HOME, else the platform's folder for user data.

    Root's default is /var/lib/depthsearch: the embedded server runs as an unprivileged user, who cannot enter root's
    home folder.

    Raises:
        StorageError: this user has no home folder to put it in.
    """
    if os.geteuid() == 0 and not environ.get("SEARCH_HOME"):
        return ROOT_HOME
    return _find("SEARCH_HOME", platformdirs.user_data_path, environ)


def config_file() -> Path | None:
    """Return the user's own file of settings; None for a user without a home folder."""
    try:
        path = platformdirs.user_config_path("depthsearch") / "search.toml"
    except RuntimeError:
        return None
    return path if path.is_absolute() else None


def cache(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what can be created again: SEARCH_CACHE, else the platform's cache folder.

    Raises:
        StorageError: this user has no home folder to put it in.
    """
    return _find("SEARCH_CACHE", platformdirs.user_cache_path, environ)


def _find(variable: str, default: Callable[[str], Path], environ: Mapping[str, str]) -> Path:
    try:
        if chosen := environ.get(variable):
            return Path(chosen).expanduser().absolute()
        return default("depthsearch")
    except RuntimeError:
        raise StorageError(
            f"{variable} is needed, because this user has no home folder: HOME is not set, and user id {os.geteuid()} "
            "is not in /etc/passwd; set SEARCH_HOME and SEARCH_CACHE to absolute folders that it may write to"
        ) from None
