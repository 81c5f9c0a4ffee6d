"""`final --confirm`: the best trials race over further seeds, and what was luck is measured with fresh ones.

The accuracy of every training comes from a table by trial, purpose and index of the seed, so that results are known.
"""

from __future__ import annotations

import math
import signal
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from objectives.base.seeds import derive_seed
from search.errors import NothingToDo
from search.evaluation.confirmation import confirm
from search.evaluation.final_step import FinalStep
from search.evaluation.racing import Race
from search.evaluation.retraining import train_with_seed
from search.settings import load
from search.study.plan import StudyRequest, resolve_stored
from search.study.status import StudyView, best_epoch
from storage import url
from storage.database import open_database
from storage.records import studies
from tests.conftest import at, copied, execute
from tests.search.command import Ended, done, search

# In TABLE, by a trial's number: its value, then what its seeds give that choose, and those that do not.
TABULATED = """
    import math
    import os
    import signal

    import torch
    from torch import nn

    from objectives.core.objective import Objective
    from objectives.base.seeds import derive_seed
    from spaces import Float, Space

    NAN = math.nan
    TABLE = {
        0: (0.90, (0.89, 0.90, 0.91), 5 * (0.50,)),
        1: (0.95, (0.92, 0.90, 0.91), (0.91, 0.93, 0.92, 0.91, 0.93)),
        2: (0.94, (0.60, 0.62, 0.61), 5 * (0.50,)),
        3: (0.93, (0.92, NAN, 0.92), 5 * (0.50,)),
        4: (0.92, (0.94, 0.95, 0.96), (0.93, 0.94, 0.93, 0.94, NAN)),
    }


    def accuracies():
        for number, (value, choosing, fresh) in TABLE.items():
            seed = derive_seed(0, number)
            yield seed, value
            yield from ((derive_seed(seed, "confirm", i), choosing[i]) for i in range(3))
            yield from ((derive_seed(seed, "fresh", i), fresh[i]) for i in range(5))


    def train(config, data, report):
        with open(os.environ["TRAININGS"], "a") as file:
            print(config.seed, len(data.train), len(data.validation), file=file)
        if str(config.seed) == os.environ.get("DIES_AT"):
            os.kill(os.getpid(), signal.SIGKILL)
        accuracy = dict(accuracies()).get(config.seed, 0.5)
        if str(config.seed) in os.environ.get("DIVERGES", "").split(","):
            accuracy = NAN
        report(0, {"accuracy": accuracy / 2})
        report(1, {"accuracy": accuracy})
        report(2, {"accuracy": accuracy / 2})
        return nn.Sequential(nn.Flatten(), nn.Linear(64, len(data.classes)))


    OBJECTIVE = Objective(
        data="digits", train=train, epochs=3, trials=5, validation_fraction=0.2, space=Space(x=Float(0, 1))
    )
"""

NETWORKS = """
    from objectives.core.objective import Objective
    from spaces import Fixed, Float, Space

    OBJECTIVE = Objective(
        data="digits", model="mlp", epochs=3, trials=2, validation_fraction=0.2,
        space=Space(
            depth=Fixed(1), width=Fixed(16), dropout=Fixed(0.3), learning_rate=Float(0.01, 0.1, log=True)
        ),
    )
"""


def objective(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(text).lstrip())
    return path


def seed(number: int, purpose: str, index: int) -> int:
    return derive_seed(derive_seed(0, number), purpose, index)


@dataclass(frozen=True)
class Scene:
    """A searched study, and where its trainings write down their seeds."""

    address: str
    folder: Path
    path: Path

    @property
    def flags(self) -> tuple[str | Path, ...]:
        study = ("--study", "tabulated", "--objective", self.path, "--storage", self.address)
        return (*study, "--out", self.folder / "out")

    def final(self, *flags: str, env: Mapping[str, str] | None = None) -> Ended:
        return search("final", *self.flags, *flags, env=env)

    def scored(self, *flags: str) -> dict[str, Any]:
        ended = self.final("--json", *flags)
        assert ended.code == 0, ended.err
        found: dict[str, Any] = ended.document
        return found

    def trainings(self) -> list[int]:
        """The seeds of all trainings since the last look."""
        lines = (self.folder / "trainings").read_text().split("\n")[:-1]
        (self.folder / "trainings").write_text("")
        return [int(line.split()[0]) for line in lines]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, server: str, template: str) -> Iterator[tuple[str, Path]]:
    """The name of a database with the searched study, and a folder with its objective and its data."""
    name, folder = "confirmation_searched", tmp_path_factory.mktemp("searched")
    path = objective(folder, "tabulated", TABULATED)
    execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    flags = ("--study", "tabulated", "--objective", path, "--storage", at(server, name), "--workers", "1")
    environment = {"TRAININGS": str(folder / "trainings"), "SEARCH_CACHE": str(folder / "cache")}
    done("run", *flags, "--pruner", "none", "--sampler", "random", env=environment)
    yield name, folder
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def scene(tmp_path: Path, server: str, searched: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A copy of the searched study."""
    name, folder = searched
    monkeypatch.setenv("TRAININGS", str(tmp_path / "trainings"))
    monkeypatch.setenv("SEARCH_CACHE", str(folder / "cache"))
    with copied(server, name) as address:
        yield Scene(address, tmp_path, folder / "tabulated.py")


@contextmanager
def final_step(address: str, study: str, path: Path, tell: Callable[[str], None]) -> Iterator[FinalStep]:
    """A study at its final step, in this process, which is not sealed."""
    settings = load()
    with open_database(url.parse(address)) as database:
        record = studies.get(database.engine, study)
        yield FinalStep(
            database=database,
            record=record,
            plan=resolve_stored(record, StudyRequest(study=study, objective=str(path)), settings),
            trials=tuple(StudyView(database, study).trials()),
            settings=settings,
            device=torch.device("cpu"),
            out=path.parent / "out",
            tell=tell,
        )


def rows(address: str) -> list[tuple[object, ...]]:
    return execute(address, "SELECT trial_id, seed, accuracy, best_epoch, failure FROM depthsearch.confirmations")


@pytest.mark.slow
def test_the_winner_of_the_race_is_scored_and_its_luck_is_measured(scene: Scene) -> None:
    shown = scene.final("--confirm", "4")
    assert shown.code == 0, shown.err
    assert shown.lines == [
        *("trial 1, seed 1 of 3: 0.9200", "trial 2, seed 1 of 3: 0.6000"),
        *("trial 3, seed 1 of 3: 0.9200", "trial 4, seed 1 of 3: 0.9400"),
        *("trial 1, seed 2 of 3: 0.9000", "trial 2, seed 2 of 3: 0.6200"),
        "trial 3, seed 2 of 3: diverged: accuracy became nan in epoch 0",
        "trial 4, seed 2 of 3: 0.9500",
        # Trial 2 is behind: its .61 and the leader's .945 differ by more than t(0.975, 3) = 3.182 deviations.
        *("trial 1, seed 3 of 3: 0.9100", "trial 4, seed 3 of 3: 0.9600"),
        # Trial 4 leads by more than t(0.95, 4) = 2.132 deviations, and cannot be trained with every fresh seed.
        *("trial 4, fresh seed 1 of 5: 0.9300", "trial 4, fresh seed 2 of 5: 0.9400"),
        *("trial 4, fresh seed 3 of 5: 0.9300", "trial 4, fresh seed 4 of 5: 0.9400"),
        "trial 4, fresh seed 5 of 5: diverged: accuracy became nan in epoch 0",
        # So the one that it had left behind is next.
        *("trial 1, fresh seed 1 of 5: 0.9100", "trial 1, fresh seed 2 of 5: 0.9300"),
        *("trial 1, fresh seed 3 of 5: 0.9200", "trial 1, fresh seed 4 of 5: 0.9100"),
        "trial 1, fresh seed 5 of 5: 0.9300",
        "note: trial 1 was best after epoch 2, and its retraining ends there; --epochs full trains all 3",
    ]
    said = shown.out.splitlines()
    assert said[0] == "the 4 best trials were trained again, with up to 3 further seeds each:"
    assert [" ".join(line.split()) for line in said[1:6]] == [
        "trial value in search mean sd lower bound seeds outcome",
        "1 0.9500 0.9100 0.0100 0.8931 3 chosen",
        "2 0.9400 0.6100 0.0141 0.5469 2 dropped in round 2: behind",
        "3 0.9300 0.9200 1 dropped in round 2: diverged: accuracy became nan in epoch 0",
        "4 0.9200 0.9500 0.0100 0.9331 3 dropped in round 8: diverged: accuracy became nan in epoch 0",
    ]
    assert said[6:9] == [
        "trial 1 was chosen for the highest lower bound (95%) of its mean accuracy; trained with 5 fresh seeds, which "
        "played no part in the choice, it reaches 0.9200 on average",
        "selection optimism: the search's best value, 0.9500, is 0.0300 above that average (95% interval of the "
        "difference +0.0176 to +0.0424); a positive difference is the luck of the best of many trials",
        "these accuracies share the same validation images; how well they predict others, the test accuracy tells",
    ]
    assert said[9] == "study tabulated, trial 1, retrained for 2 epochs on 1,438 training and validation images"


@pytest.mark.slow
def test_the_ledger_keeps_how_the_winner_was_chosen(scene: Scene) -> None:
    result = scene.scored("--confirm", "4", "--confirm-seeds", "2")
    confirmation = result["confirmation"]
    # With four fresh seeds and not five, trial 4 does not diverge.
    assert (result["first_time"], result["trial"], confirmation["chosen"]) == (True, 4, 4)
    assert result["validation_accuracy"] == 0.92
    assert (confirmation["asked"], confirmation["seeds"]) == (4, 2)
    assert [candidate["trial"] for candidate in confirmation["candidates"]] == [1, 2, 3, 4]
    half = 6.313752 * 0.005  # t(0.95, 1) * s / sqrt(2)
    assert confirmation["candidates"][3] == {
        "trial": 4,
        "value": 0.92,
        "accuracies": [0.94, 0.95],
        "seeds": 2,
        "mean": pytest.approx(0.945),
        "sd": pytest.approx(0.005 * math.sqrt(2)),
        "lower_bound": pytest.approx(0.945 - half, abs=1e-6),
        "dropped_in_round": None,
        "reason": None,
    }
    # Trial 4's own value is not the search's best.
    assert confirmation["best_value"] == 0.95
    assert confirmation["fresh_accuracies"] == [0.93, 0.94, 0.93, 0.94]
    assert confirmation["selection_optimism"] == pytest.approx(0.95 - 0.935)
    off = 3.182446 * 0.005 / math.sqrt(3)  # t(0.975, 3) * s / sqrt(4)
    assert confirmation["selection_optimism_interval_95"] == pytest.approx([0.015 - off, 0.015 + off], abs=1e-6)
    [(winner, stored)] = execute(scene.address, "SELECT winner, result FROM depthsearch.scores")
    assert winner["confirmation"] == stored["confirmation"] == confirmation  # type: ignore[index]
    card = (scene.folder / "out" / "README.md").read_text()
    assert "| 0.9200, among the best 4 of 5 trials, chosen by 2 further seeds each |\n| selection optimism |" in card
    scene.trainings()
    for flags, note in (
        ((), ""),
        (("--confirm", "4", "--confirm-seeds", "2"), ""),
        (
            ("--confirm", "4"),
            "chosen with --confirm 4 --confirm-seeds 2; to score another choice, which is a further look",
        ),
    ):
        again = scene.final("--json", *flags)
        assert again.document == {**result, "first_time": False}
        assert len(again.lines) == bool(note)
        assert note in again.err
    assert scene.trainings() == []


@pytest.mark.slow
def test_without_a_confirmation_there_is_none(scene: Scene) -> None:
    result = scene.scored()
    assert (result["trial"], result["confirmation"]) == (1, None)
    assert rows(scene.address) == []
    late = scene.final("--json", "--confirm", "2")
    assert late.document == {**result, "first_time": False}
    assert "\n".join(late.lines) == (
        "note: the winner of this score was chosen without --confirm; to score another choice, which is a further "
        "look at the test set, add --reopen REASON"
    )
    assert len(scene.trainings()) == 1
    reopened = scene.scored("--confirm", "2", "--reopen", "the winner was not confirmed")
    assert (reopened["trial"], reopened["look"], reopened["confirmation"]["asked"]) == (1, 2, 2)


@pytest.mark.slow
def test_a_crash_repeats_nothing_and_a_claim_keeps_its_winner(scene: Scene) -> None:
    flags = ("--confirm", "2")
    died = scene.final(*flags, env={"DIES_AT": str(seed(1, "confirm", 1))})
    assert died.code == -signal.SIGKILL
    first = scene.trainings()
    assert first == [seed(1, "confirm", 0), seed(2, "confirm", 0), seed(1, "confirm", 1)]
    assert {(row[1], row[2], row[3]) for row in rows(scene.address)} == {(first[0], 0.92, 1), (first[1], 0.6, 1)}
    assert execute(scene.address, "SELECT * FROM depthsearch.scores") == []
    # The next one dies on its way to the claim, in the training on all images.
    final = derive_seed(derive_seed(0, 1), "final")
    died = scene.final(*flags, env={"DIES_AT": str(final)})
    assert died.lines[:2] == [
        "trial 1, seed 1 of 3: 0.9200 (trained before)",
        "trial 2, seed 1 of 3: 0.6000 (trained before)",
    ]
    choosing = [seed(1, "confirm", 1), seed(2, "confirm", 1), seed(1, "confirm", 2)]
    fresh = [seed(1, "fresh", index) for index in range(5)]
    assert scene.trainings() == [*choosing, *fresh, final]
    result = scene.scored(*flags)
    assert scene.trainings() == [final]
    assert (result["trial"], result["first_time"]) == (1, True)
    execute(scene.address, "UPDATE depthsearch.scores SET look = NULL, result = NULL, predictions = NULL")
    # As after a crash between claim and score: what is asked for now changes nothing.
    other = scene.final("--json", "--confirm", "4")
    assert other.code == 0, other.err
    assert other.document["confirmation"] == result["confirmation"]
    assert "chosen with --confirm 2 --confirm-seeds 3; to score another choice" in other.err
    assert set(scene.trainings()) <= {final}


@pytest.mark.slow
def test_more_candidates_than_trials_are_all_of_them(scene: Scene) -> None:
    lines: list[str] = []
    with final_step(scene.address, "tabulated", scene.path, lines.append) as ready:
        confirmation = confirm(ready, Race(candidates=10**6, seeds=2))
    assert lines[0] == "note: all 5 completed trials take part; --confirm 1000000 asks for more"
    assert [candidate.trial for candidate in confirmation.candidates] == [1, 2, 3, 4, 0]
    assert confirmation.chosen == 4


@pytest.mark.slow
def test_one_trial_is_confirmed_alone(scene: Scene) -> None:
    with final_step(scene.address, "tabulated", scene.path, print) as ready:
        alone = replace(ready, trials=tuple(trial for trial in ready.trials if trial.number == 1))
        confirmation = confirm(alone, Race(candidates=2, seeds=3))
        with pytest.raises(NothingToDo, match="has no completed trial"):
            confirm(replace(ready, trials=()), Race(candidates=2, seeds=3))
    assert (confirmation.chosen, confirmation.optimism.value) == (1, pytest.approx(0.03))


@pytest.mark.slow
def test_where_no_candidate_can_be_trained_nothing_is_scored(scene: Scene) -> None:
    broken = f"{seed(1, 'fresh', 2)},{seed(2, 'confirm', 0)}"
    ended = scene.final("--confirm", "2", env={"DIVERGES": broken})
    assert (ended.code, ended.out) == (1, "")
    assert "error: none of the 2 candidates could be trained again with every seed; " in ended.err.splitlines()[-1]
    assert execute(scene.address, "SELECT * FROM depthsearch.scores") == []
    failures = [row[4] for row in rows(scene.address) if row[2] is None]
    assert failures == ["diverged: accuracy became nan in epoch 0"] * 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--confirm", "1"), "--confirm must be 2 or more, but got 1"),
        (("--confirm-seeds", "3"), "--confirm-seeds 3 needs candidates"),
        (("--confirm", "2", "--measure"), "--measure examines the best trial"),
    ],
)
def test_flags_that_make_no_sense(flags: tuple[str, ...], message: str) -> None:
    ended = search("final", "--study", "none", *flags)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert len(ended.lines) == 1


@pytest.mark.slow
def test_a_value_is_like_that_of_a_trial(tmp_path: Path, database_url: str) -> None:
    path = objective(tmp_path, "networks", NETWORKS)
    flags = ("--study", "n", "--objective", path, "--storage", database_url, "--workers", "1")
    done("run", *flags, "--pruner", "none")
    with final_step(database_url, "n", path, print) as ready:
        data = ready.load_data(merge_validation=False)
        [trial, _] = ready.trials
        own = train_with_seed(ready, trial, data, ready.trial_seed(trial))
        other = train_with_seed(ready, trial, data, derive_seed(ready.trial_seed(trial), "confirm", 0))
    assert own == (trial.value, best_epoch(trial))
    assert 0.3 < other[0] <= 1
    assert other != own
