"""`storage`: where studies are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from search.access import open_storage, storage_url
from search.commands.output import document, note, say
from search.errors import NothingToDo, UsageError
from search.settings import Settings
from storage import studies, url
from storage.backup import backup, restore
from storage.database import opened
from storage.embedded import EmbeddedServer
from storage.transfer import copy_study

ACTIONS = ("show", "start", "stop", "backup", "restore", "copy")


def storage_action(
    action: str, settings: Settings, *, file: Path | None, study: str | None, to: str | None, as_json: bool
) -> None:
    """Do one of ACTIONS; those without a need for `file`, `study` or `to` refuse them."""
    if action not in ACTIONS:
        raise UsageError(f"`search storage` knows {', '.join(ACTIONS)}, but got {action!r}")
    _check_flags(action, file, study, to)
    if action == "show":
        _show(settings, as_json=as_json)
    elif action == "start":
        say(f"the embedded server runs until `search storage stop`: {_embedded(settings).start_detached()}")
    elif action == "stop":
        if not _embedded(settings).stop():
            raise NothingToDo("the embedded server does not run")
        say("the embedded server has stopped")
    elif action == "copy":
        assert study is not None
        assert to is not None
        _copy(settings, study, to)
    else:
        assert file is not None
        with storage_url(settings) as address:
            (backup if action == "backup" else restore)(address, file)
        say(f"{'backed up to' if action == 'backup' else 'restored from'} {file}")


def _check_flags(action: str, file: Path | None, study: str | None, to: str | None) -> None:
    wanted = {"backup": {"file"}, "restore": {"file"}, "copy": {"study", "to"}}.get(action, set())
    given = {name for name, value in (("file", file), ("study", study), ("to", to)) if value is not None}
    for name in sorted(wanted - given):
        raise UsageError(f"`search storage {action}` needs --{name}")
    for name in sorted(given - wanted):
        raise UsageError(f"`search storage {action}` has no use for --{name}; drop it")


def _embedded(settings: Settings) -> EmbeddedServer:
    if settings.storage is not None:
        raise UsageError(
            f"the storage is {url.masked(settings.storage)}, which this command does not start or stop; "
            "unset SEARCH_STORAGE and OPTUNA_STORAGE to use the embedded server"
        )
    return EmbeddedServer(settings.home)


def _show(settings: Settings, *, as_json: bool) -> None:
    shown: dict[str, Any] = {
        "kind": "embedded" if settings.storage is None else "remote",
        "url": None if settings.storage is None else url.masked(settings.storage),
        "home": str(settings.home),
        "data": str(settings.data),
        "cache": str(settings.cache),
    }
    if settings.storage is None:
        server = _embedded(settings).status()
        shown |= {
            "running": server.running,
            "port": server.port,
            "folder": str(server.folder),
            "version": server.version,
            "size_bytes": server.size_bytes,
        }
    else:
        with open_storage(settings) as database:
            shown["studies"] = len(studies.names(database.engine))
    if as_json:
        document(shown)
        return
    for name, value in shown.items():
        say(f"{name:11} {value}")


def _copy(settings: Settings, study: str, to: str) -> None:
    if url.has_password(to):
        note("warning: other users of this machine can see a password in a flag; ~/.pgpass hides it")
    target_url = url.parse(to)
    with open_storage(settings) as source, opened(target_url) as target:
        count = copy_study(source, target, study)
    say(f"copied study {study} with {count} trials to {url.masked(target_url)}; it continues there")
