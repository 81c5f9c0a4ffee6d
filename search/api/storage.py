"""`storage`: where studies are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from search.connection import open_storage, storage_url
from search.display.output import document, note, say
from search.errors import NothingToDo, UsageError
from search.settings import Settings
from storage import url
from storage.copying.backup import backup, restore
from storage.copying.study import copy_study
from storage.database import open_database
from storage.embedded.server import EmbeddedServer
from storage.records import studies


def storage_action(
    action: str, settings: Settings, *, file: Path | None, study: str | None, to: str | None, as_json: bool
) -> None:
    """Do one of ACTIONS; those without a need for `file`, `study` or `to` refuse them."""
    if action not in ACTIONS:
        raise UsageError(f"`search storage` knows {', '.join(ACTIONS)}, but got {action!r}")
    _check_flags(action, file, study, to)
    done, told = ACTIONS[action](settings, file, study, to)
    if as_json:
        document(done)
    else:
        for text in told:
            say(text)


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
            f"the storage is {url.mask_password(settings.storage)}, which this command does not start or stop; "
            "unset SEARCH_STORAGE and OPTUNA_STORAGE to use the embedded server"
        )
    return EmbeddedServer(settings.home)


Outcome = tuple[dict[str, Any], list[str]]  # for programs, for people


def _show(settings: Settings, file: Path | None, study: str | None, to: str | None) -> Outcome:
    shown: dict[str, Any] = {
        "kind": "embedded" if settings.storage is None else "remote",
        "url": None if settings.storage is None else url.mask_password(settings.storage),
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
    return shown, [f"{name:11} {value}" for name, value in shown.items()]


def _start(settings: Settings, file: Path | None, study: str | None, to: str | None) -> Outcome:
    address = _embedded(settings).start_detached()
    return {"url": address}, [f"the embedded server runs until `search storage stop`: {address}"]


def _stop(settings: Settings, file: Path | None, study: str | None, to: str | None) -> Outcome:
    if not _embedded(settings).stop():
        raise NothingToDo("the embedded server does not run")
    return {"running": False}, ["the embedded server has stopped"]


def _backup(settings: Settings, file: Path | None, study: str | None, to: str | None) -> Outcome:
    assert file is not None
    with storage_url(settings) as address:
        backup(address, file)
    return {"file": str(file), "size_bytes": file.stat().st_size}, [f"backed up to {file}"]


def _restore(settings: Settings, file: Path | None, study: str | None, to: str | None) -> Outcome:
    assert file is not None
    with storage_url(settings) as address:
        restore(address, file)
    return {"file": str(file)}, [f"restored from {file}"]


def _copy(settings: Settings, file: Path | None, study: str | None, to: str | None) -> Outcome:
    assert study is not None
    assert to is not None
    if url.has_password(to):
        note("warning: other users of this machine can see a password in a flag; ~/.pgpass hides it")
    target_url = url.parse(to)
    with open_storage(settings) as source, open_database(target_url) as target:
        count = copy_study(source, target, study)
    where = url.mask_password(target_url)
    return (
        {"study": study, "trials": count, "to": where},
        [f"copied study {study} with {count} trials to {where}; it continues there, and ends here"],
    )


ACTIONS: dict[str, Callable[[Settings, Path | None, str | None, str | None], Outcome]] = {
    "show": _show,
    "start": _start,
    "stop": _stop,
    "backup": _backup,
    "restore": _restore,
    "copy": _copy,
}
