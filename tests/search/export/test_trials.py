"""The table of trials, and the best configuration, as files."""

from __future__ import annotations

import csv
import io
import sys
import tomllib
from datetime import datetime
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from objectives.discovery import find_objective, objective_names
from search.errors import SearchError
from search.export.configuration import format_configuration_file
from search.export.trials import files
from search.export.trials.files import format_cell
from search.export.trials.table import FIRST_COLUMNS, TrialTable, build_table
from search.strategies.given import read_configuration, split_assignments
from search.study.status_types import BestTrial
from spaces import Categorical, Fixed, Int, Space

SPACE = Space(
    depth=Int(1, 9),
    optimizer=Categorical({"=cmd|' /C calc'!A0": Space(momentum=Int(-9, 9)), "adamw": Space()}),
    seen=Fixed(3),
)


def make_trial(state: TrialState, params: dict[str, object], **attributes: object) -> FrozenTrial:
    distributions = {
        "depth": IntDistribution(1, 9),
        "optimizer": CategoricalDistribution(["=cmd|' /C calc'!A0", "adamw"]),
        "=cmd|' /C calc'!A0.momentum": IntDistribution(-9, 9),
    }
    trial = create_trial(
        state=state,
        value=0.75 if state == TrialState.COMPLETE else None,
        params=params,
        distributions={name: distributions[name] for name in params},
        user_attrs=attributes,
        intermediate_values={0: 0.5, 1: 0.75},
    )
    trial.number = 0
    return trial


TRIALS = [
    make_trial(
        TrialState.COMPLETE,
        {"depth": 3, "optimizer": "=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0.momentum": -2},
        hardware="@SUM(1)\n\x1b[2J",
        peak_bytes=5,
        seed=7,
        continued=["elsewhere"],
    ),
    make_trial(TrialState.PRUNED, {"depth": 4, "optimizer": "adamw"}, reason="pruner", traceback="long"),
]


def write_csv(path: Path) -> list[list[str]]:
    files._dump_csv(build_table(TRIALS, SPACE), path)
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_a_table_has_a_column_for_each_parameter_and_attribute_and_empty_cells_where_there_is_none(
    tmp_path: Path,
) -> None:
    header, complete, pruned = write_csv(tmp_path / "t.csv")
    assert header == [
        *FIRST_COLUMNS,
        *("params_depth", "params_optimizer", "params_=cmd|' /C calc'!A0.momentum"),
        *("user_attrs_hardware", "user_attrs_peak_bytes"),
    ]
    rows = [dict(zip(header, row, strict=True)) for row in (complete, pruned)]
    assert [row["value"] for row in rows] == ["0.75", "0.75"]
    assert [row["state"] for row in rows] == ["complete", "pruned"]
    assert [row["reason"] for row in rows] == ["", "pruner"]
    assert [(row["best_epoch"], row["epochs"], row["seed"]) for row in rows] == [("1", "2", "7"), ("1", "2", "")]
    assert [row["user_attrs_peak_bytes"] for row in rows] == ["5", ""]
    assert pruned[header.index("params_=cmd|' /C calc'!A0.momentum")] == ""


def test_no_text_of_a_csv_file_is_a_formula_and_numbers_stay_numbers(tmp_path: Path) -> None:
    header, complete, _ = write_csv(tmp_path / "t.csv")
    assert complete[header.index("params_optimizer")] == "'=cmd|' /C calc'!A0"
    assert complete[header.index("user_attrs_hardware")] == "'@SUM(1)\\n\\x1b[2J"
    assert complete[header.index("params_=cmd|' /C calc'!A0.momentum")] == "-2"
    for first in "=+-@\t\r\n＝＋－＠":
        assert format_cell(f"{first}1+1").startswith("'")
    assert [format_cell(each) for each in (-1, -0.5, 1e-9, True, None, "a=b", datetime(2026, 1, 2))] == [
        *("-1", "-0.5", "1e-09", "true", "", "a=b", "2026-01-02T00:00:00")
    ]


def test_a_parquet_file_has_the_types_of_the_table(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    files._dump_parquet(build_table(TRIALS, SPACE), tmp_path / "t.parquet")
    found = parquet.read_table(tmp_path / "t.parquet")
    assert {
        name: str(found.schema.field(name).type) for name in ("number", "value", "state", "user_attrs_peak_bytes")
    } == {"number": "int64", "value": "double", "state": "string", "user_attrs_peak_bytes": "int64"}
    assert found.column("params_optimizer").to_pylist() == ["=cmd|' /C calc'!A0", "adamw"]
    mixed = TrialTable(columns={"a": (1, 2.5, None), "b": (True, "x", 3), "c": (None, None, None)})
    files._dump_parquet(mixed, tmp_path / "m.parquet")
    assert parquet.read_table(tmp_path / "m.parquet").to_pydict() == {
        "a": [1.0, 2.5, None],
        "b": ["True", "x", "3"],
        "c": [None, None, None],
    }


def test_without_pyarrow_a_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SearchError, match=r"needs pyarrow, .* run `pip install 'depthsearch\[export\]'`"):
        files._dump_parquet(TrialTable(columns={}), tmp_path / "t.parquet")


@pytest.mark.parametrize("name", objective_names())
def test_the_set_values_of_a_configuration_make_it_again(name: str) -> None:
    space = find_objective(name).objective.space
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1)).ask()
    space.sample(trial)
    best = BestTrial(trial=3, value=0.5, epoch=1, params=trial.params)
    found = tomllib.loads(format_configuration_file('a "b"\x7f\u202e', name, best))
    assert (found["study"], found["objective"], found["trial"]) == ('a "b"\x7f\u202e', name, 3)
    [given] = split_assignments(found["set"])
    assert read_configuration(space, given) == trial.params
    assert found["parameters"] == trial.params


def test_none_and_truth_values_of_a_configuration_are_words_that_set_reads() -> None:
    space = Space(norm=Categorical(None, "batch"), flip=Categorical(True, False))
    best = BestTrial(trial=0, value=0.5, epoch=0, params={"norm": None, "flip": True})
    [given] = split_assignments(tomllib.loads(format_configuration_file("s", "o", best))["set"])
    assert read_configuration(space, given) == {"norm": None, "flip": True}
