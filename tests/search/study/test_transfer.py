"""One study's network, reused by another: on digits, eight classes of them and then the other two.

The tests share their studies and run in the order written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
import pytest
import torch
from optuna.storages import RDBStorage
from safetensors.torch import load

from search.study.spec import StudySpec
from storage import url
from storage.database import open_database
from storage.records import networks, studies
from storage.records.networks import Network
from storage.records.studies import StudyRecord
from tests.conftest import copied
from tests.search.cli.test_own_objectives import write
from tests.search.command import Ended, search

EIGHT = """
    from objectives.core.objective import Objective
    from spaces import Fixed, Space, standard

    OBJECTIVE = Objective(
        data="digits", classes=tuple("01234567"), model="mlp", epochs=2, trials=1, validation_fraction=0.2,
        space=Space(
            depth=Fixed(3), width=Fixed(24), normalization=Fixed("batch_norm"), batch_size=Fixed(32),
            learning_rate=standard.learning_rate(1e-3, 1e-2), dropout=standard.dropout(0.0, 0.2),
        ),
    )
"""

# Frozen to the end: what was taken over is there in the final network, too.
TWO = """
    from objectives.core.objective import Objective
    from objectives.base.registry import choose
    from objectives.reuse.catalogue import REUSES
    from spaces import Fixed, Int, Space, standard

    OBJECTIVE = Objective(
        data="digits", classes=("8", "9"), train_examples=20, retrain_on_validation=False,
        model="mlp", epochs=3, trials=3, validation_fraction=0.2,
        space=Space(
            depth=Fixed(4, domain=standard.depth()), width=Fixed(24, domain=standard.width()),
            normalization=Fixed("batch_norm"), batch_size=Fixed(10),
            learning_rate=standard.learning_rate(1e-3, 1e-2),
            reuse=choose(
                REUSES, "none", "transfer", "pretrain", "auxiliary", source=Fixed("digits-eight"),
                layers=Fixed(2, domain=Int(1, 4)), freeze_epochs=Fixed(3),
                pretrain_epochs=Fixed(1, domain=Int(1, 9)),
            ),
        ),
    )
"""


@dataclass(frozen=True)
class Place:
    """A storage, and a folder with the two objectives' files."""

    address: str
    folder: Path

    def search(self, *arguments: str) -> Ended:
        """Run a command on this storage."""
        folders = {name: str(self.folder / name) for name in ("SEARCH_HOME", "SEARCH_CACHE")}
        return search(*arguments, env={"SEARCH_STORAGE": self.address, **folders})

    def done(self, *arguments: str) -> Ended:
        """Run a command to a good end."""
        ended = self.search(*arguments)
        assert ended.code == 0, f"{arguments}: exit {ended.code}\n{ended.out}\n{ended.err}"
        return ended

    def run(self, name: str) -> tuple[str, ...]:
        """The command that trains one of the objectives."""
        return ("run", "--objective", str(self.folder / f"{name}.py"), "--workers", "1")

    def train_source(self, seed: int) -> Network:
        """Search and score the eight classes."""
        self.done(*self.run("digits_eight"), "--seed", str(seed))
        self.done("final", "--study", "digits-eight", "--out", str(self.folder / f"eight-{seed}"))
        return self.network("digits-eight")

    def network(self, study: str) -> Network:
        """The final network of a study."""
        with open_database(url.parse(self.address)) as database:
            found = networks.find_for_study(database.engine, study)
        assert found is not None
        return found

    def studies(self) -> dict[str, StudyRecord]:
        """What is stored of every study."""
        with open_database(url.parse(self.address)) as database:
            engine = database.engine
            return {name: studies.get(engine, name) for name in studies.list_names(engine)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, server: str, template: str) -> Iterator[Place]:
    """A database and a folder for the whole file."""
    folder = tmp_path_factory.mktemp("transfer")
    write(folder, "digits_eight.py", EIGHT)
    write(folder, "digits_two.py", TWO)
    with copied(server, template) as address:
        yield Place(address, folder)


@pytest.mark.slow
def test_a_missing_source_makes_no_study(place: Place) -> None:
    missing = place.search(*place.run("digits_two"))
    assert missing.code == 3
    assert missing.err.strip().splitlines()[-1] == (
        "error: study 'digits-eight' has no final network here; "
        "train it with `search run --study digits-eight` and `search final --study digits-eight`"
    )
    place.done(*place.run("digits_eight"))
    unscored = place.search(*place.run("digits_two"), "--set", "source=digits-eigth")
    assert unscored.code == 3
    assert "study 'digits-eigth' has no final network here (did you mean digits-eight?)" in unscored.err
    assert list(place.studies()) == ["digits-eight"]


@pytest.mark.slow
def test_a_source_of_another_form_makes_no_study(place: Place) -> None:
    place.train_source(0)
    refused = place.search(*place.run("digits_two"), "--set", "width=16")
    assert refused.code == 2
    told = "'digits-eight' was trained with width=24, but this space may give width=16; use --set width=24"
    assert told in refused.err
    assert list(place.studies()) == ["digits-eight"]


@pytest.mark.slow
def test_trials_and_the_final_network_have_the_sources_stages(place: Place) -> None:
    source = place.network("digits-eight")
    place.done(*place.run("digits_two"), "--set", "reuse=transfer")
    assert place.studies()["digits-two"].spec["sources"] == {"digits-eight": source.sha256}
    shown = place.done("status", "--study", "digits-two", "--json").document
    assert shown["states"]["fail"] == 0
    assert shown["states"]["complete"] + shown["states"]["pruned"] == 3

    result = place.done("final", "--study", "digits-two", "--json", "--out", str(place.folder / "two")).document
    assert result["retrained_on"] == "train"
    there, here = (load(network.weights) for network in (source, place.network("digits-two")))
    same = {name for name in there if name in here and torch.equal(there[name], here[name])}
    assert same == {name for name in there if name.startswith(("stages.0.", "stages.1."))}
    assert here["output.weight"].shape == (2, 24)


@pytest.mark.slow
def test_another_network_under_the_sources_name_is_refused(place: Place) -> None:
    first = place.network("digits-eight")
    optuna.delete_study(study_name="digits-eight", storage=RDBStorage(place.address))
    more = (*place.run("digits_two"), "--trials", "4")
    gone = place.search(*more)
    assert gone.code == 3
    assert "study 'digits-eight' has no final network here" in gone.err

    second = place.train_source(1)
    assert second.sha256 != first.sha256
    refused = place.search(*more)
    assert refused.code == 2
    assert f"~ source 'digits-eight': {first.sha256[:12]} -> {second.sha256[:12]}" in refused.err
    assert place.studies()["digits-two"].trials == 3


@pytest.mark.slow
def test_where_nothing_is_transferred_no_source_is_needed(place: Place) -> None:
    ways = ("--set", "reuse=none,pretrain,auxiliary", "--sampler", "random")
    place.done(*place.run("digits_two"), "--study", "alone", *ways)
    assert place.studies()["alone"].spec["sources"] == {}
    assert place.done("status", "--study", "alone", "--json").document["states"]["fail"] == 0


def test_a_records_sources_are_compared_and_may_be_absent() -> None:
    old = StudySpec.from_json({"objective": "digits-depth", "dataset": "digits"})
    assert old.sources == {}
    one, other = (replace(old, sources={"eight": digit * 64}) for digit in "ab")
    assert StudySpec.from_json(one.to_json()) == one
    assert one.differences(one) == []
    assert one.differences(other) == [f"~ source 'eight': {'a' * 12} -> {'b' * 12}"]
    assert one.differences(old) == [f"~ source 'eight': {'a' * 12} -> None"]
