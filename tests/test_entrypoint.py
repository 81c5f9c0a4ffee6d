"""The image's entrypoint, run as it stands in the Dockerfile: the password, and one view of two data folders."""

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from objectives.data.cache import prepare
from objectives.data.catalogue import DATASETS
from objectives.data.files.layouts import CifarBatches, locate
from objectives.data.heldout import HeldOut, open_heldout
from storage import url
from tests.conftest import as_administrator, at, execute
from tests.objectives.data import made

DOCKERFILE = Path(__file__).parent.parent / "Dockerfile"


@pytest.fixture
def entrypoint(tmp_path: Path) -> Path:
    """The script that the Dockerfile writes."""
    text = DOCKERFILE.read_text()
    found = re.search(r"^COPY --chmod=755 <<'EOF' /usr/local/bin/entrypoint\n(.*?)^EOF$", text, re.S | re.M)
    assert found is not None
    script = tmp_path / "entrypoint"
    script.write_text(found.group(1))
    script.chmod(0o755)
    assert 'ENTRYPOINT ["entrypoint"]' in text
    return script


def run(script: Path, *arguments: str | Path, **environment: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments],
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def role(server: str) -> Iterator[tuple[str, str]]:
    """A user of the server, and a password with all that a password file gives a meaning to."""
    name, password = "compose", r"a:b\c d'%#"
    execute(as_administrator(server), f"CREATE ROLE {name} LOGIN PASSWORD $secret${password}$secret$")
    yield name, password
    execute(as_administrator(server), f"DROP ROLE {name}")


CONNECT = """
import os, stat, sys, psycopg2
print(psycopg2.connect(sys.argv[1]).info.user, oct(stat.S_IMODE(os.stat(os.environ["PGPASSFILE"]).st_mode)))
"""


def test_the_entrypoint_hands_over_the_password(
    entrypoint: Path, server: str, role: tuple[str, str], tmp_path: Path
) -> None:
    name, password = role
    secret = tmp_path / "postgres_password.txt"
    secret.write_text(f"{password}\n")
    secret.chmod(0o644)
    where = url.parse(at(server, "postgres"))
    address = f"host={where.host} port={where.port} user={name} dbname=postgres"
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment: dict[str, str | Path] = {"POSTGRES_PASSWORD_FILE": secret, "TMPDIR": temporary}
    done = run(entrypoint, sys.executable, "-c", CONNECT, address, **environment)
    assert done.stdout.split() == [name, "0o600"], done.stderr
    secret.write_text("wrong\n")
    assert (
        "password authentication failed"
        in run(entrypoint, sys.executable, "-c", CONNECT, address, **environment).stderr
    )


def test_the_entrypoint_becomes_the_command(entrypoint: Path, tmp_path: Path) -> None:
    nothing: dict[str, str | Path] = {
        "POSTGRES_PASSWORD_FILE": tmp_path / "none",
        "HELD_OUT_DATA": tmp_path / "none",
        "SEARCH_DATA": "/d",
    }
    shown = 'echo "$1 $SEARCH_DATA ${PGPASSFILE-none}"; exit 3'
    done = run(entrypoint, "sh", "-c", shown, "sh", "a b", **nothing)
    assert (done.returncode, done.stdout) == (3, "a b /d none\n")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The folder of training files and that of held-out files, as the host has them."""
    data, held_out = tmp_path / "data", tmp_path / "heldout"
    for folder in (data, held_out, tmp_path / "tmp"):
        folder.mkdir()
    return data, held_out


def seen(entrypoint: Path, folders: tuple[Path, Path]) -> Path:
    """The data folder that a command sees where both folders are mounted."""
    data, held_out = folders
    done = run(
        entrypoint,
        *("sh", "-c", 'printf %s "$SEARCH_DATA"'),
        SEARCH_DATA=data,
        HELD_OUT_DATA=held_out,
        POSTGRES_PASSWORD_FILE="/nonexistent",
        TMPDIR=data.parent / "tmp",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return Path(done.stdout)


def scored(name: str, entrypoint: Path, folders: tuple[Path, Path], tmp_path: Path) -> HeldOut:
    """What the final step reads, after checking that workers have decoded what it trains on."""
    cache = tmp_path / "cache"
    trained = prepare(name, folders[0], cache)
    whole = seen(entrypoint, folders)
    assert prepare(name, whole, cache) == trained
    return open_heldout(name, whole, cache)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_a_known_set_in_two_folders_is_seen_as_one(
    name: str, entrypoint: Path, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    dataset, (data, held_out) = DATASETS[name], folders
    _, tested = made.write_both(dataset, data)
    for file in locate(dataset.held_out[0], data_dir=data, cache_dir=tmp_path).files():
        moved = held_out / file.relative_to(data)
        moved.parent.mkdir(parents=True, exist_ok=True)
        file.rename(moved)
    found = scored(name, entrypoint, folders, tmp_path)
    np.testing.assert_array_equal(found.images, tested.images)


def test_class_folders_in_two_folders_are_seen_as_one(
    entrypoint: Path, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    data, held_out = folders
    classes, tested = ["a cat", "dog"], made.part(2, 2, (6, 4, 3), seed=5)
    made.write_folders(data / "my pets" / "train", made.part(2, 3, (6, 4, 3)), classes)
    made.write_folders(held_out / "my pets" / "test", tested, classes)
    found = scored("my pets", entrypoint, folders, tmp_path)
    np.testing.assert_array_equal(found.images, tested.images)
    # A million images are not a million links.
    assert sum(path.is_symlink() for path in seen(entrypoint, folders).rglob("*")) == 2


def test_an_archive_with_the_test_images_may_lie_with_the_held_out_files(
    entrypoint: Path, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    dataset, (data, held_out) = DATASETS["cifar10"], folders
    _, tested = made.write_both(dataset, data)
    layout = dataset.held_out[0]
    assert isinstance(layout, CifarBatches)
    batch = data / layout.folder / layout.files[0]
    with tarfile.open(held_out / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(batch, f"{layout.folder}/{layout.files[0]}")
    batch.unlink()
    found = scored("cifar10", entrypoint, folders, tmp_path)
    np.testing.assert_array_equal(found.images, tested.images)
    assert not batch.exists()


def test_a_held_out_folder_that_is_a_whole_data_folder_will_do(
    entrypoint: Path, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    data, held_out = folders
    _, tested = made.write_both(DATASETS["mnist"], held_out)
    for file in held_out.glob("MNIST/raw/train-*"):
        copy = data / file.relative_to(held_out)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    found = scored("mnist", entrypoint, folders, tmp_path)
    np.testing.assert_array_equal(found.images, tested.images)
