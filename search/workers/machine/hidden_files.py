"""Keeping test files out of reach of a worker and of the programs that its trials start, where that is possible."""

from __future__ import annotations

import os
from pathlib import Path

from objectives.data import hiding
from objectives.data.seal import list_held_out
from search.settings import Settings
from storage import url
from storage.connecting.parameters import find_parameters


def hide_test_files(settings: Settings, address: str) -> str | None:
    """Hide the held-out files from this process, which must have one thread; return why that is not possible, if so.

    address: the URL of the storage, which a hidden process must still be able to connect to.
    """
    try:
        return _check_connection(address) or hiding.hide(list_held_out(settings.data, settings.cache))
    except OSError as error:  # the data folder cannot be listed, for instance
        return str(error)


def find_obstacle(settings: Settings) -> str | None:
    """Return why workers of this user cannot hide test files; None if they can."""
    return (settings.storage and _check_connection(settings.storage)) or hiding.find_obstacle()


def _check_connection(address: str) -> str | None:
    """Return what keeps libpq from connecting where files and processes of other users seem to be nobody's."""
    if os.geteuid() == 0:  # for root everything keeps its owner
        return None
    parameters = find_parameters(url.parse(address))
    if "requirepeer" in parameters:
        return "the connection to the storage has requirepeer"
    key = Path(parameters.get("sslkey") or Path(os.environ.get("HOME", "/"), ".postgresql", "postgresql.key"))
    if key.is_file() and key.stat().st_uid != os.geteuid():
        return f"the private key {key} for the storage is another user's"
    return None
