"""The operating system's own record of what decoding touches: nothing that is held out."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from objectives.data.catalogue import DATASETS
from tests.objectives.data import made

ROOT = Path(__file__).parents[3]

TRAINING = "from objectives.data.cache import prepare; prepare(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))"
FINAL = (
    "from objectives.data.heldout import open_heldout; open_heldout(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))"
)

# What the held-out files of each layout have in their paths, relative to the data folder.
LAYOUTS = {
    "fashion-mnist": "t10k",
    "cifar10": "test_batch",
    "cifar100": "cifar-100-python/test",
    "mine": "mine/test",
}


def strace(*arguments: str, log: Path) -> None:
    command = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=%file", "-o", str(log)]
    subprocess.run([*command, *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module", autouse=True)
def _can_trace(tmp_path_factory: pytest.TempPathFactory) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (apt install strace)")
    try:
        strace("true", log=tmp_path_factory.mktemp("strace") / "log")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"strace may not trace here: {error.stderr.decode().strip()}")


def touched(statement: str, name: str, data_dir: Path, cache_dir: Path, log: Path) -> list[str]:
    """The calls with a path of the data folder in them."""
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path; {statement}"
    strace(sys.executable, "-c", script, name, str(data_dir), str(cache_dir), log=log)
    return [line for line in log.read_text().splitlines() if str(data_dir) in line]


@pytest.mark.parametrize("name", LAYOUTS)
def test_preparing_touches_no_held_out_file(name: str, data_dir: Path, cache_dir: Path, tmp_path: Path) -> None:
    if name == "mine":
        for kind in ("train", "test"):
            made.write_folders(data_dir / name / kind, made.part(3, 2, (4, 4, 1)), ["a", "b", "c"])
    else:
        made.write_both(DATASETS[name], data_dir)
    for _ in range(2):  # decoding, then finding what was decoded
        calls = touched(TRAINING, name, data_dir, cache_dir, tmp_path / "log")
        assert any("train" in call or "data_batch_1" in call for call in calls)
        assert [call for call in calls if LAYOUTS[name] in call] == []
    calls = touched(FINAL, name, data_dir, cache_dir, tmp_path / "log")
    assert [call for call in calls if LAYOUTS[name] in call] != []


def test_preparing_groups_and_a_validation_folder_touches_no_held_out_file(
    data_dir: Path, cache_dir: Path, tmp_path: Path
) -> None:
    for seed, kind in enumerate(("train", "val", "test")):
        for label in "ab":
            groups = [f"{kind}-{label}{k}" for k in range(2)]
            made.write_folders(data_dir / "mine" / kind / label, made.part(2, 2, (4, 4, 1), seed), groups)
    calls = touched(TRAINING[:-1] + ", grouped=True)", "mine", data_dir, cache_dir, tmp_path / "log")
    assert any("mine/val/a/val-a0/00000.png" in call for call in calls)
    assert [call for call in calls if "mine/test" in call] == []


def test_digits_once_written_touch_the_training_file_only(data_dir: Path, cache_dir: Path, tmp_path: Path) -> None:
    touched(TRAINING, "digits", data_dir, cache_dir, tmp_path / "log")
    shutil.rmtree(cache_dir / "data")
    touched(TRAINING, "digits", data_dir, cache_dir, tmp_path / "log")
    log = (tmp_path / "log").read_text()
    assert "digits/train.npz" in log
    assert "held-out" not in log
    assert "digits.csv" not in log
