"""scikit-learn's digits, in two files."""

from pathlib import Path

import numpy as np
import pytest

from objectives.data.cache import prepare
from objectives.data.heldout import open_heldout
from objectives.data.sources import digits


def test_the_two_parts_are_all_of_it_and_the_same_everywhere(data_dir: Path, cache_dir: Path) -> None:
    from sklearn.datasets import load_digits

    training, held_out = prepare("digits", data_dir, cache_dir), open_heldout("digits", data_dir, cache_dir)
    assert (training.examples, len(held_out.labels)) == (1438, 359)
    assert training.fingerprint == "8cda1464fd07e5331cdc3f693a6fcc92cba77e736383ae945268b66b7c19f12e"
    assert held_out.fingerprint == "9c0e30278c8b6d91f8ebefa99c3dab4988bf995ad655a18afbf7f846f54110bf"
    both = np.concatenate([training.images(), held_out.images])[..., 0]
    original = np.rint(load_digits().images * 255 / 16).astype(np.uint8)
    original[load_digits().images == 8] = 128
    assert sorted(map(bytes, both)) == sorted(map(bytes, original))
    share = np.bincount(held_out.labels) / np.bincount(load_digits().target)
    assert np.abs(share - 0.2).max() < 0.006


def test_the_data_folder_need_not_exist(tmp_path: Path, cache_dir: Path) -> None:
    assert prepare("digits", tmp_path / "nowhere", cache_dir).examples == 1438
    assert not (tmp_path / "nowhere").exists()


def test_a_lost_file_is_written_again_the_same(cache_dir: Path) -> None:
    digits.write(cache_dir)
    paths = [cache_dir / digits.TRAINING_FILE, cache_dir / digits.HELD_OUT_FILE]
    before = [np.load(path)["images"] for path in paths]
    paths[1].unlink()
    digits.write(cache_dir)
    for path, images in zip(paths, before, strict=True):
        np.testing.assert_array_equal(np.load(path)["images"], images)
    assert sorted(path.name for path in paths[0].parent.iterdir()) == ["digits-held-out.npz", "train.npz"]


def test_a_damaged_training_file_names_the_remedy(data_dir: Path, cache_dir: Path) -> None:
    prepare("digits", data_dir, cache_dir)
    (cache_dir / digits.TRAINING_FILE).write_bytes(b"")
    with pytest.raises(Exception, match=r"train\.npz cannot be read .* remove it, and it will be written again"):
        prepare("digits", data_dir, cache_dir)
