"""Settings from the flags of a command."""

from __future__ import annotations

import logging
from pathlib import Path

from search.settings import Settings, load
from storage.url import has_password

_log = logging.getLogger(__name__)


def load_settings(
    *,
    storage: str | None = None,
    data: Path | None = None,
    device: str | None = None,
    workers: int | None = None,
    workers_per_device: int | None = None,
) -> Settings:
    """Return the settings with these flags; log a warning if a flag has a password in it.

    Raises:
        UsageError: a value breaks its rule.
    """
    warn_of_password(storage)
    return load(storage=storage, data=data, device=device, workers=workers, workers_per_device=workers_per_device)


def warn_of_password(url: str | None) -> None:
    """Log a warning if a URL that was given in a flag has a password in it."""
    if url is not None and has_password(url):
        _log.warning(
            "other users of this machine can see a password in a flag; put it into ~/.pgpass or SEARCH_STORAGE"
        )
