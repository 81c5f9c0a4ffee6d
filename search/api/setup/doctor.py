"""Checks of the installation, the storage, the data and the devices."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from objectives.base.plurals import count_noun
from objectives.data.cache import prepare
from objectives.data.catalogue import DATASETS
from objectives.discovery import find_objective, objective_names
from search.api.setup import weak_spots
from search.api.setup.datasets import describe
from search.api.setup.weak_spots import WeakSpot
from search.connection import open_storage
from search.errors import SearchError
from search.settings import Settings
from search.study.provenance import find_package_versions
from search.workers import recovery
from search.workers.machine import devices
from search.workers.machine.accelerators import Device
from search.workers.machine.gpu_sharing import find_obstacle, is_running
from search.workers.machine.resources import count_cores, measure_memory
from search.workers.machine.sockets import find_socket_folder, find_temporary_folder
from storage import url
from storage.database import Database
from storage.records import studies
from storage.records.blob_stores import open_store
from storage.records.blobs import check_store

LOW_DISK_BYTES = 2 * 2**30


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of one check."""

    check: str
    fine: bool
    found: str
    remedy: str = ""
    """A command that helps; empty if all is well, or if `found` says what to do."""
    weak: bool = False
    """Whether it works and could be misused, as `found` says with a remedy; such a check has not failed."""

    def to_json(self) -> dict[str, object]:
        """Return an entry of the list that `search doctor --json` prints."""
        return asdict(self)


def check_all(settings: Settings, *, url_in_flag: str | None = None, repair: bool = False) -> tuple[Finding, ...]:
    """Run every check, all of them even if one fails.

    url_in_flag: the storage's URL if a flag gave it, where other users of the machine can see it.
    repair: whether to release the trials that dead workers hold.
    """
    checks: dict[str, Callable[[], str]] = {
        "installation": _installation,
        "home": lambda: _writable(settings.home),
        "cache": lambda: _writable(settings.cache),
        "temporary files": _temporary_files,
        "storage": lambda: _storage(settings, url_in_flag),
        "checkpoints": lambda: _checkpoints(settings.checkpoint_place),
        "objectives": _objectives,
        "data": lambda: _data(settings),
        "devices": lambda: _devices(settings),
        **{name: partial(check, settings) for name, check in weak_spots.SETUP.items()},
    }
    findings = [_attempt(name, check) for name, check in checks.items()]
    if next(finding for finding in findings if finding.check == "storage").fine:
        findings += _check_trials(settings, repair=repair)
    return tuple(findings)


def check_none_failed(findings: Sequence[Finding]) -> None:
    """Raise `SearchError` with the names of the checks that failed, if any did."""
    failed = [finding.check for finding in findings if not finding.fine]
    if failed:
        raise SearchError(f"{len(failed)} of {len(findings)} checks failed: {', '.join(failed)}")


def _attempt(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(check=name, fine=True, found=check())
    except WeakSpot as spot:
        return Finding(check=name, fine=True, weak=True, found=str(spot))
    except Exception as error:
        return Finding(check=name, fine=False, found=str(error) or type(error).__name__)


def _check_trials(settings: Settings, *, repair: bool) -> list[Finding]:
    """Check a storage that answers for weak spots, and for trials of dead workers, which `repair` releases before."""
    try:
        with open_storage(settings) as database:
            spots = [_attempt(name, partial(check, database)) for name, check in weak_spots.STORAGE.items()]
            lines = _repair(database, settings) if repair else []
            checked = _attempt("trials", lambda: recovery.check_stale(database.engine, settings.lease_seconds))
    except Exception as error:
        return [Finding(check="trials", fine=False, found=str(error) or type(error).__name__)]
    if not checked.fine:
        checked = replace(checked, remedy=recovery.REMEDY)
    return [*spots, *(Finding(check="repair", fine=True, found=line) for line in lines), checked]


def _repair(database: Database, settings: Settings) -> list[str]:
    return recovery.repair_all(database.engine, settings.lease_seconds) or ["nothing to repair"]


def _installation() -> str:
    return ", ".join(f"{name} {number}" for name, number in find_package_versions().items()) + f" ({sys.prefix})"


def _writable(folder: Path) -> str:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise SearchError(
            f"{folder} cannot be written ({error.strerror}); set SEARCH_HOME and SEARCH_CACHE to folders that can"
        ) from None
    free = shutil.disk_usage(existing).free
    if free < LOW_DISK_BYTES:
        raise SearchError(f"{folder} has only {free / 2**30:.1f} GiB left; delete something or choose another disk")
    return f"{folder}, {free / 2**30:.0f} GiB free"


def _temporary_files() -> str:
    folder, sockets = find_temporary_folder(), find_socket_folder()
    return folder if sockets == folder else f"{folder}; sockets in {sockets}, because that path is too long for them"


def _checkpoints(place: str) -> str:
    check_store(open_store(place))
    return place


def _storage(settings: Settings, url_in_flag: str | None) -> str:
    if url_in_flag is not None and url.has_password(url_in_flag):
        raise SearchError(
            "the storage URL in the flag has a password, which other users of this machine can see; "
            "put it into ~/.pgpass or SEARCH_STORAGE"
        )
    with open_storage(settings) as database, database.engine.connect() as connection:
        version = connection.exec_driver_sql("SHOW server_version").scalar()
        database.check_writable()
        count = len(studies.list_names(database.engine))
        where = "embedded" if settings.storage is None else url.mask_password(database.url)
    return f"Postgres {version} ({where}), {count_noun(count, 'study', 'studies')}"


def _objectives() -> str:
    found = objective_names()
    for name in found:
        find_objective(name)
    return ", ".join(found)


def _data(settings: Settings) -> str:
    prepare("digits", settings.data, settings.cache)
    here = [name for name in DATASETS if name != "digits" and describe(name, settings).here]
    others = f"{', '.join(here)} in {settings.data}" if here else f"none in {settings.data} (downloaded on demand)"
    return f"digits ready; {others}"


def _devices(settings: Settings) -> str:
    there = devices.list_devices(settings.device)
    memory = measure_memory() or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = f"{count_noun(count_cores(), 'CPU core')}, {memory / 2**30:.0f} GiB memory to use"
    return f"{', '.join(map(str, there))}{_sharing(there)}; {free}"


def _sharing(there: list[Device]) -> str:
    """Return how several workers would use one GPU."""
    if all(device.name == "cpu" for device in there):
        return ""
    obstacle = find_obstacle()
    return f" (workers take turns: {obstacle})" if obstacle and not is_running() else " (workers share one by MPS)"
