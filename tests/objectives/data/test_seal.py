"""The hook in real processes: every road to a held-out file is refused, every other is open."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from objectives.data.cache import prepare
from objectives.data.catalogue import DATASETS
from objectives.data.files.layouts import ArrayFile, locate
from objectives.data.hiding import find_obstacle
from objectives.data.seal import find_sealed_paths, list_held_out
from objectives.data.sources.remotes import RemoteArchive
from tests.objectives.data import made
from tests.objectives.data.ways import HIDDEN, OUTSIDE, REFUSED, Ways, flatten, render

ROOT = Path(__file__).parents[3]
UNSEALED = {**flatten(HIDDEN), **flatten(OUTSIDE)}
Outcomes = dict[str, dict[str, str]]
"""By the kind and the name of a way: "open", "refused: ..." or a traceback."""

# Tries the ways, given as lists of [kind, name, program], each list in a forked process: an interpreter for each would
# take minutes, and a fork of one with all these libraries a tenth of a second.
SCRIPT = """
import ctypes, io, json, mmap, multiprocessing, os, shutil, sqlite3, subprocess, sys, tarfile, timeit, traceback
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
import numpy as np
import torch.utils.data
import torchvision
from PIL import Image
from objectives.data import seal_hook
from objectives.data.files.errors import DataError, SealedTestSet
from objectives.data.hiding import hide
from objectives.data.seal import find_sealed_paths, install, list_held_out

top = Path(sys.argv[1])
data, cache = top / "sets", top / "cache"
sealed, image, other = data / "mine" / "test", data / "mine" / "test" / "a" / "00000.png", top / "other"
os.chdir(top)
before = os.open(data / "mine", os.O_RDONLY)
before_test = os.open(sealed, os.O_RDONLY)
before_image = os.open(image, os.O_RDONLY)
before_map = mmap.mmap(before_image, 0, prot=mmap.PROT_READ)

def open_in_c(path):
    return ctypes.CDLL(None).open(os.fsencode(path), os.O_RDONLY)

def in_process(how, function, argument):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(how)) as pool:
        return pool.submit(function, argument).result()

def read_pipe(command):
    with os.popen(command) as pipe:
        return pipe.buffer.read()

def read_all(paths):
    return [path.read_bytes() for path in paths]

def run_python(*arguments):
    ended = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    if ended.returncode:
        name, _, message = ended.stderr.splitlines()[-1].partition(": ")
        raise (SealedTestSet if name.endswith("SealedTestSet") else RuntimeError)(message)

def attempt(road):
    try:
        exec(road, globals())
    except SealedTestSet as error:
        assert isinstance(error, PermissionError) and isinstance(error, DataError), error
        return f"refused: {error}"
    except BaseException:
        return traceback.format_exc()
    return "open"

held_out = list_held_out(data, cache)
for how, roads in json.load(sys.stdin):
    if os.fork() == 0:
        assert how != "hidden" or hide(held_out) is None
        if how != "open":
            install(find_sealed_paths(data, cache))
        for kind, name, road in roads:
            answer = attempt(road)
            os.write(1, json.dumps([kind, name, answer]).encode() + b"\\n")
        os._exit(0)
    os.wait()
"""

OPEN_ROADS = {
    "a training image": "open(data / 'mine' / 'train' / 'a' / '00000.png').close()",
    "a class called test": "open(data / 'mine' / 'train' / 'test' / '00004.png').close()",
    "the data folder": "assert sorted(os.listdir(data)) == ['linked', 'mine']",
    "the set's folder": "assert sorted(os.listdir(data / 'mine')) == ['test', 'train']",
    "training batches": "open('data_batch_1').close()",
    "a folder called test elsewhere": "(top / 'x' / 'test').mkdir(parents=True); os.listdir(top / 'x' / 'test')",
    "a new file": "(top / 'new').write_text('x'); os.replace(top / 'new', top / 'newer'); os.remove('newer')",
    "a new folder": "(top / 'a').mkdir(); os.rename(top / 'a', top / 'b'); shutil.rmtree(top / 'b')",
    "a descriptor": "os.close(before_test); os.open('train', os.O_RDONLY, dir_fd=before); os.listdir(before)",
    "a pipe": "r, w = os.pipe(); os.write(w, b'x'); open(w, 'wb').close(); open(r).close()",
    "imports": "import sklearn.datasets, json.tool, PIL.ImageDraw",
    "preparing again": "from objectives.data.cache import prepare; prepare('mine', data, cache)",
}


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data sets, links to them and copies under telling names; nothing in it may change."""
    top = tmp_path_factory.mktemp("seal")
    for kind in ("train", "test"):
        made.write_folders(top / "sets" / "mine" / kind, made.part(3, 2, (4, 4, 1)), ["a", "b", "test"])
    np.save(top / "sets" / "mine" / "test" / "a" / "array.npy", np.zeros(3))
    prepare("mine", top / "sets", top / "cache")
    (top / "sets" / "mine" / "test" / "a" / "linked.png").symlink_to(top / "data_batch_1")
    (top / "alias").symlink_to(top / "sets" / "mine" / "test")
    (top / "sets-alias").symlink_to("sets")
    (top / "innocent.png").symlink_to(top / "sets" / "mine" / "test" / "a" / "00000.png")
    made.write_folders(top / "store", made.part(2, 1, (4, 4, 1)), ["a", "b"])
    (top / "sets" / "linked" / "train").mkdir(parents=True)
    (top / "sets" / "linked" / "test").symlink_to(top / "store")
    made.write_both(DATASETS["fashion-mnist"], top / "torchvision", each=1)
    image = top / "sets" / "mine" / "test" / "a" / "00000.png"
    os.link(image, top / "hard-link.png")
    shutil.copy(image, top / "renamed.png")
    shutil.copytree(image.parent, top / "elsewhere" / "test", symlinks=True)
    with tarfile.open(top / "images.tar", "w") as archive:
        archive.add(image, "00000.png")
    for name in ("t10k-images-idx3-ubyte", "t10k-else.npz", "test_batch", "data_batch_1", "cifar-100-python/test"):
        made.write_file(top / name, b"content")
    return top


CONTROL = {
    name: flatten(REFUSED)[name]
    for name in ("open", "os.open", "PIL", "listdir", "dir_fd", "chdir and relative", "symlink to the folder")
}
# The best of several runs, as other programs share the machine.
COST = """
def event():
    sys.audit("object.__getattr__", sealed, "x")
best = min(timeit.repeat(event, number=2000, repeat=20)) / 2000
assert best < 1e-6, best"""


@pytest.fixture(scope="module")
def outcomes(top: Path) -> Outcomes:
    """What came of each way by the kind of the process: of CONTROL in an open one, of UNSEALED in a hidden one, too."""
    alone = REFUSED["Other processes and threads"]
    together = {name: road for name, road in flatten(REFUSED).items() if name not in alone}
    groups = [
        ("sealed", _lines("refused", together)),
        *(("sealed", [line]) for line in _lines("refused", alone)),
        *(("sealed", [line]) for line in _lines("unsealed", UNSEALED)),
        *(("hidden", [line]) for line in _lines("hidden", {} if find_obstacle() else UNSEALED)),
        ("sealed", _lines("passed", {**OPEN_ROADS, "cost": COST})),
        ("open", _lines("control", CONTROL)),
    ]
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(top)],
        input=json.dumps(groups),
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        check=True,
    )
    assert result.stderr == ""
    found: Outcomes = defaultdict(dict)
    for kind, name, answer in map(json.loads, result.stdout.splitlines()):
        found[kind][name] = answer
    return found


def _lines(kind: str, roads: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(kind, name, road) for name, road in roads.items()]


@pytest.fixture(scope="module")
def refused(outcomes: Outcomes) -> dict[str, str]:
    """What came of the ways of REFUSED."""
    return outcomes["refused"]


@pytest.mark.parametrize("road", flatten(REFUSED))
def test_every_road_to_a_held_out_file_is_refused(road: str, refused: dict[str, str]) -> None:
    assert refused[road].startswith("refused: "), refused[road]
    assert "sealed in this process" in refused[road]


@pytest.mark.parametrize("road", UNSEALED)
def test_what_the_documentation_leaves_outside_of_the_seal_is_open(road: str, outcomes: Outcomes) -> None:
    assert outcomes["unsealed"][road] == "open"


@pytest.mark.parametrize("road", UNSEALED)
def test_hidden_files_are_reached_by_no_way_but_those_outside(road: str, outcomes: Outcomes) -> None:
    if "hidden" not in outcomes:
        pytest.skip("files cannot be hidden here")
    assert (outcomes["hidden"][road] == "open") == (road in flatten(OUTSIDE)), outcomes["hidden"][road]


@pytest.mark.parametrize("ways", [REFUSED, HIDDEN, OUTSIDE], ids=["refused", "hidden", "outside"])
def test_the_documentation_shows_every_way(ways: Ways) -> None:
    assert render(ways) in (ROOT / "docs" / "seal.md").read_text()


def test_nothing_came_of_all_these_attempts(refused: dict[str, str], top: Path) -> None:
    assert len(refused) == len(flatten(REFUSED))
    assert (top / "sets" / "mine" / "test" / "a" / "00000.png").stat().st_size > 0
    assert not (top / "other").exists()
    assert not (top / "sets" / "other").is_symlink()


@pytest.mark.parametrize("road", OPEN_ROADS)
def test_every_other_road_is_open(road: str, outcomes: Outcomes) -> None:
    assert outcomes["passed"][road] == "open"


def test_without_the_hook_the_same_roads_are_open(outcomes: Outcomes) -> None:
    assert outcomes["control"] == dict.fromkeys(CONTROL, "open")


@pytest.mark.parametrize("name", DATASETS)
def test_the_files_of_every_entry_are_sealed_and_its_training_files_are_not(
    name: str, data_dir: Path, cache_dir: Path
) -> None:
    dataset = DATASETS[name]
    made.write_both(dataset, cache_dir if isinstance(dataset.training[0], ArrayFile) else data_dir, each=1)
    sealed, hidden = find_sealed_paths(data_dir, cache_dir), set(map(Path, list_held_out(data_dir, cache_dir)))
    for layouts, held_out in ((dataset.held_out_layouts, True), (dataset.training_layouts, False)):
        for layout in layouts:
            for file in locate(layout, data_dir=data_dir, cache_dir=cache_dir).files():
                assert (sealed.find_rule(str(file)) is not None) == held_out, file
                assert hidden.isdisjoint((file, *file.parents)) != (held_out and file.exists()), file
    if isinstance(dataset.held_out_source, RemoteArchive):
        assert sealed.find_rule(str(data_dir / dataset.held_out_source.file.name)) is not None


def test_the_message_names_the_path_and_the_rule(refused: dict[str, str], top: Path) -> None:
    sets = top / "sets"
    assert refused["open"] == (
        f"refused: {sets}/mine/test/a/00000.png is sealed in this process: {sets}/<name>/test is the held-out "
        "part of a data set; only `search final` scores test sets"
    )


def test_events_that_are_no_file_cost_less_than_a_microsecond(outcomes: Outcomes) -> None:
    assert outcomes["passed"]["cost"] == "open"
