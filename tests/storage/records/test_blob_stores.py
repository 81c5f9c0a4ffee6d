"""Where the bytes of checkpoints are: a real folder, and a real bucket over HTTP."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import pytest

from storage.errors import BadURL, StoreFailed
from storage.records.blob_stores import ORPHAN_SECONDS, FolderStore, open_store
from storage.records.blobs import BlobStore
from tests.conftest import small_disk
from tests.storage import s3

CONTENT = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def running() -> Iterator[s3.Service]:
    with s3.served() as service:
        yield service


def use(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which keeps the keys that it has read
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def service(running: s3.Service, monkeypatch: pytest.MonkeyPatch) -> s3.Service:
    use(monkeypatch, running.describe())
    return running


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "folder":
        return open_store(str(tmp_path / "new" / "folder"))
    request.getfixturevalue("service")
    return open_store("s3://bucket/team")


def test_what_is_written_is_read_until_it_is_removed(store: BlobStore) -> None:
    store.write("study/3/1-0", CONTENT)
    store.write("study/3/1-1", b"")
    assert store.read("study/3/1-0") == CONTENT
    assert store.read("study/3/1-1") == b""
    store.write("study/3/1-0", b"new")
    assert store.read("study/3/1-0") == b"new"
    store.remove("study/3/1-0")
    with pytest.raises(StoreFailed, match=r"cannot read .*study/3/1-0"):
        store.read("study/3/1-0")
    assert store.read("study/3/1-1") == b""
    store.remove("study/3/1-0")


def test_a_bucket_keeps_under_its_prefix(service: s3.Service) -> None:
    before = service.read_all()
    for place, content in (("s3://bucket/own/a", b"x"), ("s3://bucket", b"y")):
        store = open_store(place)
        store.check()
        store.write("k", content)
    assert service.read_all() == {**before, "own/a/k": b"x", "k": b"y"}


def test_a_service_that_fails_is_said_in_one_line_and_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3.failing(500) as url:
        use(monkeypatch, {**s3.ALONE, **s3.ALL_KEYS, "AWS_ENDPOINT_URL_S3": url})
        store = open_store("s3://bucket")
        acts = (store.check, lambda: store.read("k"), lambda: store.remove("k"))  # the check begins with a write
        for act in acts:
            with pytest.raises(StoreFailed, match=r"^cannot (write|read|remove) [\w/-]+: .*500") as error:
                act()
            assert "\n" not in str(error.value)


def test_an_answer_that_breaks_off_is_no_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3.failing(200, promised=1000) as url:
        use(monkeypatch, {**s3.ALONE, **s3.ALL_KEYS, "AWS_ENDPOINT_URL_S3": url})
        with pytest.raises(StoreFailed, match="cannot read k: "):
            open_store("s3://bucket").read("k")


def test_what_a_person_has_to_correct_is_found_before_anything_is_kept(
    service: s3.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, guest = service.owner, service.guest
    cases = [
        ("missing", owner, "NoSuchBucket"),
        ("bucket", s3.Keys(name=owner.name, secret="wrong-secret"), "SignatureDoesNotMatch"),
        ("bucket", s3.Keys(name="wrong-key", secret=owner.secret), "InvalidAccessKeyId"),
        ("bucket", guest, "AccessDenied"),
        ("Bad_Bucket!", owner, "Invalid bucket name"),
    ]
    before = service.read_all()
    for bucket, keys, reason in cases:
        use(monkeypatch, service.describe(keys))
        with pytest.raises(
            BadURL, match=f"cannot be kept at s3://{bucket}/team: .*{reason}.*SEARCH_CHECKPOINTS"
        ) as error:
            open_store(f"s3://{bucket}/team").check()
        assert "\n" not in str(error.value)
        assert not any(secret in str(error.value) for secret in (keys.name, keys.secret))
    use(monkeypatch, {})
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(BadURL, match=r"cannot be kept at s3://bucket: .*credentials"):
        open_store("s3://bucket").check()
    assert service.read_all() == before


@pytest.mark.parametrize(
    ("place", "endpoint"),
    [
        ("s3://key:hidden@bucket", None),
        ("gs://key:hidden@bucket", None),
        ("s3://bucket", "http://key:hidden@127.0.0.1:1"),
        ("s3://bucket", "key:hidden@nowhere"),
    ],
)
def test_no_password_of_a_url_is_shown(place: str, endpoint: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, {**s3.ALONE, **s3.ALL_KEYS})
    if endpoint is not None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    with pytest.raises((BadURL, StoreFailed)) as error:
        open_store(place).check()
    assert "hidden" not in str(error.value)


def test_an_emptied_folder_goes(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write("study/3/a", b"x")
    store.write("study/4/b", b"x")
    store.remove("study/3/a")
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["4"]
    store.remove("study/4/b")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_write_leaves_the_old_file(tmp_path: Path) -> None:
    FolderStore(tmp_path).write("k", b"old")
    program = (
        "import os, sys; from pathlib import Path; from storage.records.blob_stores import FolderStore; "
        "os.fsync = lambda descriptor: os.kill(os.getpid(), 9); FolderStore(Path(sys.argv[1])).write('k', b'new')"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert killed.returncode == -9
    assert FolderStore(tmp_path).read("k") == b"old"


def test_a_full_disk_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 256 * 1024) as disk:
        store = FolderStore(disk)
        store.write("study/k", b"old")
        with pytest.raises(StoreFailed, match="No space left on device"):
            store.write("study/k", bytes(2**20))
        assert store.read("study/k") == b"old"
        assert [path.name for path in (disk / "study").iterdir()] == ["k"]


def test_tidying_spares_what_is_known_or_new_or_anothers(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for key in ("a/1/known", "a/1/orphan", "a/2/new", "a/3/.x.part", "b/1/other"):
        store.write(key, b"x")
        if not key.endswith("new"):
            old = (tmp_path / key).stat().st_mtime - 2 * ORPHAN_SECONDS
            os.utime(tmp_path / key, (old, old))
    store.tidy("a", {"a/1/known"})
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"a/1/known", "a/2/new", "b/1/other"}
    store.tidy("nowhere", set())


@pytest.mark.parametrize(
    ("place", "rule"),
    [
        ("s3://", "need s3://bucket"),
        ("s3:///prefix", "need s3://bucket"),
        ("s3://bucket?x=1", "need s3://bucket"),
        ("gs://bucket", "in a folder or at s3://bucket/prefix, but got 'gs://bucket'"),
    ],
)
def test_another_kind_of_place_is_refused(place: str, rule: str) -> None:
    with pytest.raises(BadURL, match=rule):
        open_store(place)


@pytest.mark.parametrize(
    "key", ["{outside}/file", "../out", "a/../../out", "a//b", "", ".", "a/..", "a\0b", "a\\b", "~/b", "é"]
)
def test_a_key_cannot_lead_out_of_its_store(key: str, store: BlobStore, tmp_path: Path) -> None:
    key = key.format(outside=tmp_path)
    for act in (lambda: store.write(key, b"x"), lambda: store.read(key), lambda: store.remove(key)):
        with pytest.raises(StoreFailed, match="is not the key of a file in the store"):
            act()


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside, store = tmp_path / "outside", FolderStore(tmp_path / "store")
    outside.mkdir()
    (outside / "file").write_bytes(b"precious")
    os.utime(outside / "file", (0, 0))
    store.root.mkdir()
    (store.root / "folder").symlink_to(outside)
    (store.root / "file").symlink_to(outside / "file")
    for key in ("folder/file", "file"):
        for act in (lambda: store.write(key, b"x"), lambda: store.read(key), lambda: store.remove(key)):  # noqa: B023
            with pytest.raises(StoreFailed, match="is a link to another place, or lies behind one"):
                act()
    for prefix in ("..", "folder"):
        with pytest.raises(StoreFailed):
            store.tidy(prefix, set())
    assert (outside / "file").read_bytes() == b"precious"
