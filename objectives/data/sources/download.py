"""Downloads of known data sets: only missing files, checked by MD5 sum, each written whole or not at all.

torchvision is not imported: its addresses and sums are in the catalogue (a test compares them), and its own download
would fetch, open and check the held-out files together with the training files.
"""

import hashlib
import sys
import tarfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import URLError

from objectives.base.files import write_whole
from objectives.data.files.errors import DataError, MissingData
from objectives.data.files.layouts import Location
from objectives.data.sources.remotes import Bundled, RemoteArchive, RemoteFile, RemoteFiles, Source

_CHUNK_BYTES = 2**18
_TIMEOUT_SECONDS = 30.0

Advance = Callable[[int], None]


def obtain(name: str, source: Source | None, expected: Sequence[Location], *, data_dir: Path, cache_dir: Path) -> None:
    """Download or write one part of the data set `name` from its source.

    expected: the locations that were looked at, which the error message names.

    Raises:
        MissingData: there is no source, no network or no space, or the mirrors have other content.
    """
    try:
        match source:
            case None:
                raise OSError("no download address is known")
            case Bundled(write=write):
                write(cache_dir)
            case RemoteFiles():
                _fetch_files(source, data_dir)
            case RemoteArchive():
                _fetch_members(source, data_dir)
    except DataError:
        raise
    except (OSError, HTTPException, EOFError, KeyError, tarfile.TarError) as error:
        if isinstance(error, OSError) and not isinstance(error, URLError) and error.filename is not None:
            variable = "SEARCH_CACHE" if isinstance(source, Bundled) else "SEARCH_DATA"
            raise MissingData(
                f"{name} cannot be written to {error.filename} ({error.strerror}); set {variable} to a folder that can "
                "be written and has room"
            ) from error
        layouts = ", or ".join(location.describe() for location in expected)
        raise MissingData(
            f"{name} is not in {data_dir}, and could not be downloaded ({_describe_error(error)}); provide {layouts}"
        ) from error


def _fetch_files(source: RemoteFiles, data_dir: Path) -> None:
    folder = data_dir / source.folder
    for file in source.files:
        if not (folder / file.name).is_file():
            _fetch(file, source.mirrors, folder)


def _fetch_members(source: RemoteArchive, data_dir: Path) -> None:
    """Extract the members of one part; the others are skipped unread."""
    archive = data_dir / source.file.name
    if not archive.is_file():
        _fetch(source.file, source.mirrors, data_dir)
    missing = [member for member in source.members if not (data_dir / member).is_file()]
    with tarfile.open(archive, "r:gz") as tar:
        for info in tar:
            if info.name in missing:
                content = tar.extractfile(info)
                if content is None:
                    raise OSError(f"{info.name} in {archive} is not a file")
                with content, write_whole(data_dir / info.name) as file:
                    _copy(content, file, lambda _: None)
                missing.remove(info.name)
            if not missing:
                return
    raise OSError(f"{archive} has no {missing[0]}; remove it, and it will be downloaded again")


def _fetch(file: RemoteFile, mirrors: Sequence[str], folder: Path) -> None:
    failures: list[str] = []
    for mirror in mirrors:
        try:
            return _fetch_from(mirror + file.name, file, folder)
        except (OSError, HTTPException) as error:
            failures.append(f"{mirror}: {_describe_error(error)}")
    raise OSError("; ".join(failures))


def _fetch_from(url: str, file: RemoteFile, folder: Path) -> None:
    # MD5 detects a broken download, but not an attack; it is the only sum that torchvision publishes.
    digest = hashlib.md5(usedforsecurity=False)
    # A new opener, because the one that urlopen shares keeps the proxies of its first use.
    opener = urllib.request.build_opener()
    with opener.open(url, timeout=_TIMEOUT_SECONDS) as answer, write_whole(folder / file.name) as part:
        size = int(answer.headers.get("Content-Length") or 0)
        with _show_progress(file.name, size) as advance:
            _copy(answer, part, advance, digest.update)
        if digest.hexdigest() != file.md5:
            raise OSError(f"{file.name} must have the MD5 sum {file.md5}, but has {digest.hexdigest()}")


def _copy(source: IO[bytes], target: IO[bytes], advance: Advance, update: Callable[[bytes], object] = len) -> None:
    while chunk := source.read(_CHUNK_BYTES):
        target.write(chunk)
        update(chunk)
        advance(len(chunk))


@contextmanager
def _show_progress(label: str, size: int) -> Iterator[Advance]:
    """Show a progress bar on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=size or None)
        yield lambda n: bar.advance(task, n)


def _describe_error(error: Exception) -> str:
    """Return the innermost message of an error: urllib wraps those of the operating system."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, OSError):
        return reason.strerror or str(reason)
    return str(error) or type(error).__name__
