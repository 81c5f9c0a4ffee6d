"""What `final` does about a test part that is missing, was changed or trained on, and what it refuses to believe.

The tests share a study of class folders and run in the order written.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import copied, execute
from tests.objectives.data import made
from tests.search.command import Ended, done, search

CLASSES = ["cat", "dog", "eel"]

# Reports a searched number for its accuracy; opens the file that EARLY names when it is read, and its network the one
# that PEEK names.
OBJECTIVE = """
    import os

    import torch
    from torch import nn

    from objectives.core.objective import Objective
    from spaces import Float, Space

    if "EARLY" in os.environ:
        open(os.environ["EARLY"], "rb").close()


    class Network(nn.Module):
        def __init__(self, inputs, classes):
            super().__init__()
            self.linear = nn.Linear(inputs, classes)
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)

        def forward(self, x):
            if "PEEK" in os.environ:
                open(os.environ["PEEK"], "rb").close()
            return self.linear(x.flatten(1))


    def train(config, data, report):
        report(0, {"accuracy": config.x})
        c, h, w = data.image_shape
        return Network(c * h * w, len(data.classes))


    OBJECTIVE = Objective(data="pics", train=train, epochs=1, trials=2, space=Space(x=Float(0.1, 0.9)))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, server: str, template: str) -> Iterator[Path]:
    """A folder for the whole file with training images and an objective, and the URL of a database for it."""
    folder = tmp_path_factory.mktemp("test_part")
    made.write_folders(folder / "data" / "pics" / "train", made.part(3, 12, (6, 6, 3)), CLASSES)
    (folder / "own.py").write_text(textwrap.dedent(OBJECTIVE).lstrip())
    with copied(server, template) as address:
        (folder / "url").write_text(address)
        yield folder


@pytest.fixture(autouse=True)
def address(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One home, cache, data folder and storage for the whole file."""
    address = (folder / "url").read_text()
    for name, value in (
        ("HOME", str(folder)),
        ("CACHE", str(folder / "cache")),
        ("DATA", str(folder / "data")),
        ("STORAGE", address),
    ):
        monkeypatch.setenv(f"SEARCH_{name}", value)
    return address


def run(folder: Path, study: str, trials: int, *flags: str) -> Ended:
    objective = ("--objective", folder / "own.py", "--experience", "none")
    return done("run", "--study", study, *objective, "--trials", str(trials), "--workers", "1", *flags)


def final(folder: Path, *flags: str, study: str = "s", env: Mapping[str, str] | None = None) -> Ended:
    return search("final", "--study", study, "--out", folder / study, "--json", *flags, env=env)


def looks(address: str) -> list[tuple[object, ...]]:
    return execute(address, "SELECT study_name, opening, look FROM depthsearch.scores ORDER BY score_id")


def best(study: str = "s") -> int:
    return int(done("status", "--study", study, "--json").document["best"]["trial"])


def one_sentence(ended: Ended, code: int = 1) -> str:
    assert (ended.code, ended.out) == (code, ""), ended.err
    [line] = [line for line in ended.err.splitlines() if not line.startswith("note: ")]
    return line


@pytest.mark.slow
def test_a_missing_test_part_is_told_at_the_start_and_claims_nothing(folder: Path, address: str) -> None:
    test = folder / "data" / "pics" / "test"
    assert f"note: there is no test part, {test}, which `search final` needs" in run(folder, "s", 2).err
    assert f"{test}/<class>/*.png" in one_sentence(final(folder))
    assert looks(address) == []
    run(folder, "s", 5)


def test_a_test_part_that_does_not_fit_claims_nothing(folder: Path, address: str) -> None:
    test = folder / "data" / "pics" / "test"
    made.write_folders(test, made.part(3, 6, (6, 6, 3), seed=3), ["cat", "dog", "fox"])
    assert "test/fox is not a class of this data set" in one_sentence(final(folder))
    shutil.rmtree(test / "fox")
    empty = test / "cat" / "empty.png"
    empty.touch()
    assert f"{empty} is empty" in one_sentence(final(folder))
    empty.unlink()
    assert looks(address) == []


def test_a_value_that_no_curve_supports_is_refused(folder: Path, address: str) -> None:
    worst = execute(address, "SELECT trial_id, value FROM trial_values ORDER BY value LIMIT 1")
    [(trial, value)] = worst
    execute(address, f"UPDATE trial_values SET value = 0.9999 WHERE trial_id = {trial}")
    assert "is stored with the value 0.9999, but the highest accuracy of its curve is" in one_sentence(final(folder))
    assert "is stored with the value 0.9999" in one_sentence(final(folder, "--confirm", "2"))
    assert looks(address) == []
    execute(address, f"UPDATE trial_values SET value = {value} WHERE trial_id = {trial}")


@pytest.mark.parametrize("measure", [False, True], ids=["final", "final that measures"])
def test_the_objectives_file_is_read_behind_the_seal(measure: bool, folder: Path, address: str) -> None:
    image = next((folder / "data" / "pics" / "test" / "cat").iterdir())
    sentence = one_sentence(final(folder, *["--measure"] * measure, env={"EARLY": str(image)}), 2)
    assert f"own.py cannot be read: SealedTestSet: {image} is sealed in this process" in sentence
    assert looks(address) == []


@pytest.mark.slow
def test_the_network_predicts_behind_the_seal(folder: Path, address: str) -> None:
    image = next((folder / "data" / "pics" / "test" / "cat").iterdir())
    assert f"{image} is sealed in this process" in one_sentence(final(folder, env={"PEEK": str(image)}))
    assert looks(address) == [("s", 1, None)]


@pytest.mark.slow
def test_a_test_image_that_cannot_be_used_spends_no_look_and_says_so(folder: Path, address: str) -> None:
    wrong = folder / "data" / "pics" / "test" / "cat" / "wrong.png"
    Image.new("RGB", (7, 6)).save(wrong)
    said = one_sentence(final(folder))
    wrong.unlink()
    assert f"{wrong} has 7x6" in said
    assert "no score was taken, and this is no look: the test set stays claimed for this network" in said
    assert said.endswith(f"run the same command again, with {folder / 's'} as it is now)")
    assert looks(address) == [("s", 1, None)]


@pytest.mark.slow
def test_what_the_test_images_do_not_tell_is_told(folder: Path, address: str) -> None:
    """The claim is older than what is now the best trial; a class has no images; some images were trained on."""
    claimed = best()
    test, training = folder / "data" / "pics" / "test", folder / "data" / "pics" / "train"
    for number, path in enumerate(sorted((training / "dog").iterdir())[:4]):
        with Image.open(path) as image:  # the same pixels in another file
            Image.fromarray(np.asarray(image)).save(test / "cat" / f"copy-{number}.png", compress_level=0)
    other = execute(address, "SELECT trial_id FROM trial_values ORDER BY value LIMIT 1")[0][0]
    execute(address, f"UPDATE trial_values SET value = 0.95 WHERE trial_id = {other}")
    execute(address, f"UPDATE trial_intermediate_values SET intermediate_value = 0.95 WHERE trial_id = {other}")
    execute(address, f"""UPDATE depthsearch.epochs SET metrics = '{{"accuracy": 0.95}}' WHERE trial_id = {other}""")
    assert best() != claimed
    ended = final(folder)
    assert f"note: the test set is claimed for trial {claimed}, which was the best one then" in ended.err
    result = ended.document
    assert (result["trial"], result["look"]) == (claimed, 1)
    assert (result["test_examples"], result["test_examples_in_training"]) == (16, 4)
    assert result["class_accuracy"] == {"cat": 1.0, "dog": 0.0, "eel": None}
    shown = done("final", "--study", "s", "--out", folder / "s").out
    assert "lowest accuracy of a class: 0.0000 (class dog)" in shown
    assert "note: the test set has no image of eel\n" in shown
    assert "note: 4 of the 16 test images equal a training image, pixel by pixel" in shown
    card = (folder / "s" / "README.md").read_text()
    assert "| test images that equal a training image | 4 |\n" in card
    assert "| classes without test images | eel |\n" in card


@pytest.mark.slow
def test_other_test_images_are_scored_only_for_a_reason(folder: Path, address: str) -> None:
    run(folder, "t", 1)
    spoiled = next((folder / "data" / "pics" / "test" / "dog").iterdir())
    Image.new("RGB", (6, 6)).save(spoiled)
    refused = one_sentence(final(folder, study="t"))
    assert "the test images of 'pics' are not those of look 1 (study 's')" in refused
    assert refused.endswith("restore them, or say why they differ with --reopen REASON")
    assert looks(address) == [("s", 1, 1), ("t", 1, None)]
    ended = final(folder, "--reopen", "a file was broken", study="t")
    assert "note: the test images of 'pics' are not those of look 1 (study 's')" in ended.err
    assert ended.document["look"] == 2
    assert looks(address)[2:] == [("t", 2, 2)]


@pytest.mark.slow
def test_another_data_set_of_the_same_name_has_test_images_of_its_own(folder: Path, address: str) -> None:
    other = folder / "other"
    for kind, seed in (("train", 7), ("test", 8)):
        made.write_folders(other / "pics" / kind, made.part(3, 6, (6, 6, 3), seed=seed), CLASSES)
    run(folder, "u", 1, "--data", str(other))
    ended = final(folder, "--data", str(other), study="u")
    assert ended.code == 0, ended.err
    assert "are not those of look" not in ended.err
