"""Downloads from a real server on this machine."""

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from objectives.data.cache import prepare
from objectives.data.catalogue import DATASETS, Dataset
from objectives.data.files.errors import MissingData
from objectives.data.files.layouts import CifarBatches, IdxFiles
from objectives.data.heldout import open_heldout
from objectives.data.sources.download import obtain
from objectives.data.sources.remotes import RemoteArchive, RemoteFile, RemoteFiles
from tests.objectives.data import made


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder and keeps the paths that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """With a slash at the end."""
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with files of the server's folder; one named `cut...` stops in the middle."""

    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path[1:])
        path = self.server.folder / self.path[1:]
        if not path.is_file():
            return self.send_error(404)
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if path.name.startswith("cut") else content)
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server of an empty folder."""
    folder = tmp_path / "served"
    folder.mkdir()
    with Server(folder) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def remote(path: Path) -> RemoteFile:
    return RemoteFile(name=path.name, md5=hashlib.md5(path.read_bytes()).hexdigest())


@pytest.fixture
def runes(server: Server, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A known data set of gzipped IDX files at the server."""
    layouts, sources = [], []
    for kind, seed in (("train", 1), ("t10k", 2)):
        layout = IdxFiles(folder="Runes/raw", images=f"{kind}-images", labels=f"{kind}-labels")
        content = made.part(2, 3, (4, 4, 1), seed)
        images = made.write_file(server.folder / f"{kind}-images.gz", made.idx(content.images[..., 0]))
        labels = made.write_file(server.folder / f"{kind}-labels.gz", made.idx(content.labels.astype(np.uint8)))
        layouts.append(layout)
        mirrors = (server.url + "moved/", server.url)
        sources.append(RemoteFiles(mirrors=mirrors, folder="Runes/raw", files=(remote(images), remote(labels))))
    dataset = Dataset(
        name="runes",
        description="made-up runes behind a server",
        classes=("ansuz", "fehu"),
        training=(layouts[0],),
        held_out=(layouts[1],),
        training_source=sources[0],
        held_out_source=sources[1],
    )
    monkeypatch.setitem(DATASETS, "runes", dataset)
    return dataset


def test_training_files_alone_come_until_the_held_out_part_is_opened(
    runes: Dataset, server: Server, data_dir: Path, cache_dir: Path
) -> None:
    prepared = prepare("runes", data_dir, cache_dir)
    np.testing.assert_array_equal(prepared.images(), made.part(2, 3, (4, 4, 1), 1).images)
    # The first mirror has moved, the second has them.
    asked = ["moved/train-images.gz", "train-images.gz", "moved/train-labels.gz", "train-labels.gz"]
    assert server.asked == asked
    assert not list(data_dir.rglob("*t10k*"))
    prepare("runes", data_dir, cache_dir)
    assert server.asked == asked
    held_out = open_heldout("runes", data_dir, cache_dir)
    np.testing.assert_array_equal(held_out.images, made.part(2, 3, (4, 4, 1), 2).images)
    names = sorted(path.name for path in (data_dir / "Runes" / "raw").iterdir())
    assert names == ["t10k-images.gz", "t10k-labels.gz", "train-images.gz", "train-labels.gz"]


def test_what_is_there_is_not_downloaded_again(runes: Dataset, server: Server, data_dir: Path, cache_dir: Path) -> None:
    prepare("runes", data_dir, cache_dir)
    (data_dir / "Runes/raw/train-labels.gz").unlink()
    server.asked.clear()
    prepare("runes", data_dir, cache_dir)
    assert server.asked == ["moved/train-labels.gz", "train-labels.gz"]


def archive(server: Server, batches: dict[str, bytes]) -> RemoteFile:
    path = server.folder / "made.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in batches.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return remote(path)


def test_only_the_members_of_a_part_leave_the_archive(
    server: Server, monkeypatch: pytest.MonkeyPatch, data_dir: Path, cache_dir: Path
) -> None:
    parts = [made.part(2, 3, (32, 32, 3), seed) for seed in (1, 2)]
    names = ["batches/test_batch", "batches/data_batch_1"]  # the held-out member comes first
    contents = [made.cifar_batch(part.images, part.labels) for part in reversed(parts)]
    file = archive(server, dict(zip(names, contents, strict=True)))

    def source(name: str) -> RemoteArchive:
        return RemoteArchive(mirrors=(server.url,), file=file, members=(f"batches/{name}",))

    dataset = Dataset(
        name="photos",
        description="made-up photographs in an archive",
        classes=("a", "b"),
        training=(CifarBatches(folder="batches", files=("data_batch_1",)),),
        held_out=(CifarBatches(folder="batches", files=("test_batch",)),),
        training_source=source("data_batch_1"),
        held_out_source=source("test_batch"),
    )
    monkeypatch.setitem(DATASETS, "photos", dataset)
    np.testing.assert_array_equal(prepare("photos", data_dir, cache_dir).images(), parts[0].images)
    assert [path.name for path in (data_dir / "batches").iterdir()] == ["data_batch_1"]
    np.testing.assert_array_equal(open_heldout("photos", data_dir, cache_dir).images, parts[1].images)
    assert server.asked == ["made.tar.gz"]


@pytest.mark.parametrize("case", ["other bytes", "cut short", "not there", "no server"])
def test_a_failed_download_is_one_sentence_and_leaves_nothing(
    case: str, server: Server, data_dir: Path, cache_dir: Path
) -> None:
    whole = made.write_file(server.folder / ("cut.gz" if case == "cut short" else "whole.gz"), b"x" * 4000)
    file = remote(whole)
    mirror = server.url
    match case:
        case "other bytes":
            file = RemoteFile(name=file.name, md5="0" * 32)
        case "not there":
            whole.unlink()
        case "no server":
            mirror = "http://127.0.0.1:9/"
    source = RemoteFiles(mirrors=(mirror,), folder="set", files=(file,))
    with pytest.raises(MissingData) as error:
        obtain("runes", source, [], data_dir=data_dir, cache_dir=cache_dir)
    message = str(error.value)
    assert message.startswith(f"runes is not in {data_dir}, and could not be downloaded (")
    assert mirror in message
    reasons = {"other bytes": "MD5", "cut short": "MD5", "not there": "404", "no server": "refused"}
    assert reasons[case] in message
    assert "\n" not in message
    assert [path for path in data_dir.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("damage", ["no member", "not a tar", "cut tar"])
def test_a_bad_archive_is_one_sentence(damage: str, server: Server, data_dir: Path, cache_dir: Path) -> None:
    file = archive(server, {"batches/data_batch_1": np.random.default_rng(0).bytes(90_000)})
    content = (server.folder / file.name).read_bytes()
    bad = {"no member": content, "not a tar": b"<html>", "cut tar": content[:60_000]}[damage]
    made.write_file(data_dir / "other.tar", b"")
    (data_dir / file.name).write_bytes(bad)
    member = "batches/missing" if damage == "no member" else "batches/data_batch_1"
    source = RemoteArchive(mirrors=(server.url,), file=file, members=(member,))
    with pytest.raises(MissingData, match="photos is not in"):
        obtain("photos", source, [], data_dir=data_dir, cache_dir=cache_dir)
    assert not (data_dir / member).exists()


def test_a_data_folder_that_cannot_be_written_is_one_sentence(runes: Dataset, tmp_path: Path, cache_dir: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingData, match="Not a directory"):
        prepare("runes", tmp_path / "file" / "sets", cache_dir)


def test_a_folder_that_cannot_be_written_is_named_and_the_network_is_not_blamed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.raises(MissingData, match=r"digits cannot be written to .*file.* \(.*directory\)") as caught:
        prepare("digits", data_dir=tmp_path, cache_dir=tmp_path / "file" / "cache")
    assert "download" not in str(caught.value)
