"""Downloads what is missing of a known data set, checked by MD5 sum, each file whole or not at all.

Nothing of torchvision is imported: its addresses and sums are in the catalogue (a test compares them), and
its own download of a data set would fetch, open and check the held-out files together with the training
files.
"""

import hashlib
import os
import secrets
import sys
import tarfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO

from objectives.data.files.errors import DataError, MissingData
from objectives.data.files.layouts import Location
from objectives.data.sources.remotes import Bundled, RemoteArchive, RemoteFile, RemoteFiles, Source

_CHUNK = 2**18
_TIMEOUT_S = 30.0

Advance = Callable[[int], None]


def obtain(name: str, source: Source | None, expected: Sequence[Location], *, data_dir: Path, cache_dir: Path) -> None:
    """Brings one part of the data set `name` from its source.

    expected: the layouts any of which would have done, named in the error message.

    Raises MissingData: there is no source, no network, no space, or the mirrors hold other bytes.
    """
    try:
        match source:
            case None:
                raise OSError("it is not known where to download it from")
            case Bundled(write=write):
                write(cache_dir)
            case RemoteFiles():
                _fetch_files(source, data_dir)
            case RemoteArchive():
                _fetch_members(source, data_dir)
    except DataError:
        raise
    except (OSError, HTTPException, EOFError, KeyError, tarfile.TarError) as error:
        layouts = ", or ".join(place.describe() for place in expected)
        raise MissingData(
            f"{name} is not in {data_dir}, and could not be downloaded ({_reason(error)}): put there {layouts}."
        ) from error


def _fetch_files(source: RemoteFiles, data_dir: Path) -> None:
    folder = data_dir / source.folder
    for file in source.files:
        if not (folder / file.name).is_file():
            _fetch(file, source.mirrors, folder)


def _fetch_members(source: RemoteArchive, data_dir: Path) -> None:
    """Extracts only the members of one part; the others are passed over unread."""
    archive = data_dir / source.file.name
    if not archive.is_file():
        _fetch(source.file, source.mirrors, data_dir)
    missing = [member for member in source.members if not (data_dir / member).is_file()]
    with tarfile.open(archive, "r:gz") as tar:
        for info in tar:
            if info.name in missing:
                content = tar.extractfile(info)
                if content is None:
                    raise OSError(f"{archive} holds no file {info.name}")
                with content, _whole(data_dir / info.name) as file:
                    _copy(content, file, lambda _: None)
                missing.remove(info.name)
            if not missing:
                return
    raise OSError(f"{archive} has no {missing[0]}; remove it, and it is downloaded again")


def _fetch(file: RemoteFile, mirrors: Sequence[str], folder: Path) -> None:
    failures: list[str] = []
    for mirror in mirrors:
        try:
            return _fetch_from(mirror + file.name, file, folder)
        except (OSError, HTTPException) as error:
            failures.append(f"{mirror}: {_reason(error)}")
    raise OSError("; ".join(failures))


def _fetch_from(url: str, file: RemoteFile, folder: Path) -> None:
    # MD5 finds a broken download; it is what torchvision publishes, and protects from nobody.
    digest = hashlib.md5(usedforsecurity=False)
    # An opener of its own: the one that urlopen shares keeps the proxies of its first use.
    opener = urllib.request.build_opener()
    with opener.open(url, timeout=_TIMEOUT_S) as answer, _whole(folder / file.name) as part:
        size = int(answer.headers.get("Content-Length") or 0)
        with _progress(file.name, size) as advance:
            _copy(answer, part, advance, digest.update)
        if digest.hexdigest() != file.md5:
            raise OSError(f"{file.name} has the MD5 sum {digest.hexdigest()}, not {file.md5}")


def _copy(source: IO[bytes], target: IO[bytes], advance: Advance, update: Callable[[bytes], object] = len) -> None:
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        update(chunk)
        advance(len(chunk))


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the name `path` when all went well, and is removed otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _progress(label: str, size: int) -> Iterator[Advance]:
    """A bar on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=size or None)
        yield lambda n: bar.advance(task, n)


def _reason(error: Exception) -> str:
    """The innermost words of an error: urllib wraps those of the operating system."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, OSError):
        return reason.strerror or str(reason)
    return str(error) or type(error).__name__
