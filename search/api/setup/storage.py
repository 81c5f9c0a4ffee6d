"""The storage: where it is, starting and stopping the embedded server, backups, copies of studies, upgrades."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from objectives.base.plurals import count_noun
from search.connection import open_storage, server_url, upgrade_storage
from search.errors import NothingToDo, UsageError
from search.settings import Settings
from storage import url
from storage.copying.backup import backup, is_backup, restore
from storage.copying.study import copy_study
from storage.copying.upgrades import Upgrade, plan_upgrade
from storage.database import open_database
from storage.embedded.server import EmbeddedServer
from storage.errors import format_command
from storage.records import studies
from storage.records.retention import prune_epochs

OLD_DAYS = 90


@dataclass(frozen=True, kw_only=True)
class Action:
    """What an action of `search storage` works on; None for what it does not need."""

    settings: Settings
    file: Path | None = None
    study: str | None = None
    to: str | None = None
    """URL of another storage."""
    check: bool = False
    """Whether to do nothing and only tell what would be done."""
    older_than: int | None = None
    """In days."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an action found or did."""

    facts: Mapping[str, object]
    sentence: str | None = None
    """The outcome in a sentence; None if the facts say it."""

    def to_json(self) -> dict[str, object]:
        """Return the document that `search storage --json` prints."""
        return dict(self.facts)


def carry_out(
    action: str,
    settings: Settings,
    *,
    file: Path | None = None,
    study: str | None = None,
    to: str | None = None,
    check: bool = False,
    older_than: int | None = None,
) -> Outcome:
    """Show, start, stop, back up, restore, copy, prune or upgrade.

    Raises:
        UsageError: there is no such action, or it lacks an argument or has one that it does not need.
        StorageError: the storage does not do it.
    """
    if action not in ACTIONS:
        raise UsageError(f"`search storage` knows {', '.join(ACTIONS)}, but got {action!r}")
    needed, optional, function = ACTIONS[action]
    flags = {"file": file, "study": study, "to": to, "check": check or None, "older-than": older_than}
    given = {name for name, value in flags.items() if value is not None}
    for name in sorted(set(needed) - given):
        raise UsageError(f"`{format_command('storage', action)}` needs --{name}")
    for name in sorted(given - {*needed, *optional}):
        raise UsageError(f"`{format_command('storage', action)}` has no use for --{name}; drop it")
    return function(Action(settings=settings, file=file, study=study, to=to, check=check, older_than=older_than))


def _embedded(settings: Settings) -> EmbeddedServer:
    if settings.storage is not None:
        raise UsageError(
            f"the storage is {url.mask_password(settings.storage)}, which this command does not start or stop; "
            "unset SEARCH_STORAGE and OPTUNA_STORAGE to use the embedded server"
        )
    return EmbeddedServer(settings.home)


def _show(action: Action) -> Outcome:
    settings = action.settings
    facts: dict[str, object] = {
        "kind": "embedded" if settings.storage is None else "remote",
        "url": None if settings.storage is None else url.mask_password(settings.storage),
        "home": str(settings.home),
        "data": str(settings.data),
        "cache": str(settings.cache),
    }
    if settings.storage is None:
        server = _embedded(settings).status()
        facts |= {
            "running": server.running,
            "port": server.port,
            "folder": str(server.folder),
            "version": server.version,
            "size_bytes": server.size_bytes,
        }
    else:
        with open_storage(settings) as database:
            facts["studies"] = len(studies.list_names(database.engine))
    return Outcome(facts=facts)


def _start(action: Action) -> Outcome:
    address = _embedded(action.settings).start_detached()
    return Outcome(facts={"url": address}, sentence=f"the embedded server runs until `search storage stop`: {address}")


def _stop(action: Action) -> Outcome:
    if not _embedded(action.settings).stop():
        raise NothingToDo("the embedded server is not running")
    return Outcome(facts={"running": False}, sentence="the embedded server has stopped")


def _check_target(path: Path) -> None:
    """Raise `UsageError` if a backup would take the place of something else."""
    if path.is_file() and path.stat().st_size and not is_backup(path):
        raise UsageError(f"{path} is there already and is no backup; remove it, or name another file with --file")


def _backup(action: Action) -> Outcome:
    assert action.file is not None
    _check_target(action.file)
    with server_url(action.settings) as address:
        backup(address, action.file)
    return Outcome(
        facts={"file": str(action.file), "size_bytes": action.file.stat().st_size},
        sentence=f"backed up to {action.file}",
    )


def _restore(action: Action) -> Outcome:
    assert action.file is not None
    with server_url(action.settings) as address:
        restore(address, action.file)
    return Outcome(facts={"file": str(action.file)}, sentence=f"restored from {action.file}")


def _copy(action: Action) -> Outcome:
    assert action.study is not None
    assert action.to is not None
    target_url = url.parse(action.to)
    with open_storage(action.settings) as source, open_database(target_url) as target:
        count = copy_study(source, target, action.study)
    where, trials = url.mask_password(target_url), count_noun(count, "trial")
    return Outcome(
        facts={"study": action.study, "trials": count, "to": where},
        sentence=f"copied study {action.study} with {trials} to {where}; it continues there, and ends here",
    )


def _upgrade(action: Action) -> Outcome:
    if action.file is not None and not action.check:
        _check_target(action.file)
    with server_url(action.settings) as address:
        if action.check:
            upgrade = plan_upgrade(url.parse(address))
        else:
            upgrade = upgrade_storage(address, action.settings, action.file)
    facts: dict[str, object] = {
        "version": upgrade.before,
        "newest": upgrade.after,
        "steps": list(upgrade.steps),
        "upgraded": bool(upgrade.steps) and not action.check,
        "obstacle": upgrade.obstacle,
        "backup": None if upgrade.backup is None else str(upgrade.backup),
    }
    return Outcome(facts=facts, sentence=_describe_upgrade(upgrade, action))


def _describe_upgrade(upgrade: Upgrade, action: Action) -> str:
    if not upgrade.steps:
        found = "no tables yet" if upgrade.before is None else f"tables of version {upgrade.before}, the newest"
        return f"the storage has {found}; there is nothing to upgrade"
    versions = f"from version {upgrade.before} to {upgrade.after}"
    if not action.check:
        saved = "no backup was made" if upgrade.backup is None else f"a backup of it as it was is in {upgrade.backup}"
        return f"the storage was upgraded {versions}; {saved}"
    backed_up = action.settings.storage is None or action.file is not None
    saved = "after a backup" if backed_up else "without a backup, unless --file names a file for one"
    told = f"the storage would be upgraded {versions} ({'; '.join(upgrade.steps)}), {saved}"
    return told if upgrade.obstacle is None else f"{told}; now it cannot be: {upgrade.obstacle}"


def _prune(action: Action) -> Outcome:
    days = OLD_DAYS if action.older_than is None else action.older_than
    if days < 1:
        raise UsageError(f"--older-than is a number of days from 1 on, but got {days}")
    with open_storage(action.settings) as database:
        if action.study is not None:
            studies.get(database.engine, action.study)
        pruned = prune_epochs(database.engine, days=days, study=action.study, check=action.check)
    verb = "would keep" if action.check else "kept"
    what = f"{count_noun(pruned.epochs, 'epoch')} of {count_noun(pruned.studies, 'study', 'studies')}"
    return Outcome(
        facts=asdict(pruned),
        sentence=f"{verb} only accuracy and seconds of {what} that ended more than {count_noun(days, 'day')} ago "
        f"({pruned.size_bytes:,} bytes before)",
    )


ACTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...], Callable[[Action], Outcome]]] = {
    "show": ((), (), _show),
    "start": ((), (), _start),
    "stop": ((), (), _stop),
    "backup": (("file",), (), _backup),
    "restore": (("file",), (), _restore),
    "copy": (("study", "to"), (), _copy),
    "prune": ((), ("study", "older-than", "check"), _prune),
    "upgrade": ((), ("file", "check"), _upgrade),
}
"""Each action with the arguments that it needs, and those that it may have."""
