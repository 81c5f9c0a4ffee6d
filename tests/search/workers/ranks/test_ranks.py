"""Studies whose trials train on two ranks of gloo: causes are kept apart, and all ranks end together."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from tests.search.cli.test_own_objectives import write
from tests.search.command import done, search, start, until

CAUSES = """
    import os
    import signal
    from pathlib import Path

    import torch
    import torch.distributed as dist
    from torch import nn

    from objectives import Objective
    from spaces import Categorical, Fixed, Space

    KILLED = Path(__file__).with_name("killed")


    class Network(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.kind, self.layer = config.kind, nn.Linear(64, config.classes)

        def forward(self, x):
            logits = self.layer(x.flatten(1))
            if self.training and dist.get_rank() == 1:
                if self.kind == "nan":
                    logits = logits * float("nan")
                if self.kind == "memory":
                    torch.empty(2**60)
                if self.kind == "bug":
                    raise KeyError("a bug of mine")
                if self.kind == "killed" and not KILLED.exists():
                    KILLED.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            return logits


    OBJECTIVE = Objective(
        data="digits", build_model=Network, devices=2, epochs=2, trials=4,
        space=Space(kind=Categorical(KINDS), learning_rate=Fixed(0.01)),
    )
"""

STOPPED = """
    import json
    import os
    from pathlib import Path

    import torch
    import torch.distributed as dist
    from torch import nn

    from objectives import Objective
    from spaces import Int, Space


    def train(config, data, report):
        rank, reached = dist.get_rank(), None
        assert (os.environ["RANK"], os.environ["WORLD_SIZE"]) == (str(rank), "2")
        try:
            for reached in range(config.epochs):
                right = torch.tensor((9 - config.quality) / 10 * (1 + reached / 100))
                dist.all_reduce(right)
                report(reached, {"accuracy": right / 2 if rank == 0 else float("nan")})
            return nn.Linear(1, 1 + rank)
        except BaseException as error:
            told = {"rank": rank, "seed": config.seed, "epoch": reached, "error": type(error).__name__}
            Path(__file__).with_name(f"{config.seed}-{rank}.json").write_text(json.dumps(told))
            raise


    OBJECTIVE = Objective(data="digits", train=train, devices=2, epochs=9, trials=8, space=Space(quality=Int(1, 8)))
"""


@pytest.fixture(autouse=True)
def address(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    return database_url


def trials(address: str, study: str) -> list[FrozenTrial]:
    return optuna.load_study(study_name=study, storage=RDBStorage(address)).get_trials()


def write_causes(folder: Path, *kinds: str) -> Path:
    listed = ", ".join(map(repr, kinds))
    return write(folder, "causes.py", CAUSES.replace("KINDS", listed))


@pytest.mark.slow
def test_causes_on_one_rank_are_kept_apart(address: str, tmp_path: Path) -> None:
    """NaN and too little memory cost a slot, with a reason; a rank that is killed costs nothing."""
    path = write_causes(tmp_path, "nan", "memory", "killed", "good")
    process = start("run", "--objective", path, "--sampler", "grid", "--workers", "1", "--pruner", "none")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    found = {trial.params["kind"]: trial for trial in trials(address, "causes")}
    assert len(found) == 4 == len(trials(address, "causes"))
    assert {kind: trial.user_attrs.get("reason") for kind, trial in found.items()} == {
        "nan": "diverged",
        "memory": "out of memory",
        "killed": None,
        "good": None,
    }
    assert {found[kind].state for kind in ("killed", "good")} == {TrialState.COMPLETE}
    assert "allocate memory" in found["memory"].user_attrs["error"]
    assert "rank 1 of the training died (code -9)" in err
    for trial in found.values():
        attributes = trial.user_attrs
        assert (attributes["devices"], attributes["device"], attributes["parameters"]) == (2, "cpu, cpu", 650)
        assert trial.constraints == ({"feasible": 1.0} if trial.state == TrialState.PRUNED else {})
    until(lambda: not living(process.pid), "the last rank", seconds=10)


def living(session: int) -> list[Any]:
    """Return the processes of a command that still run."""
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getsid(process.pid) == session:
                found.append(process.pid)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return found


@pytest.mark.slow
def test_a_pruned_trial_stops_all_ranks_of_a_loop_of_its_own_at_the_same_epoch(address: str, tmp_path: Path) -> None:
    path = write(tmp_path, "stopped.py", STOPPED)
    done("run", "--objective", path, "--sampler", "grid", "--workers", "1", "--pruner", "halving")
    told = [json.loads(file.read_text()) for file in tmp_path.glob("*.json")]
    pruned = [trial for trial in trials(address, "stopped") if trial.state == TrialState.PRUNED]
    assert pruned
    for trial in pruned:
        stops = [one for one in told if one["seed"] == trial.user_attrs["seed"]]
        assert sorted(one["rank"] for one in stops) == [0, 1]
        assert {(one["epoch"], one["error"]) for one in stops} == {(max(trial.intermediate_values) + 1, "StopTraining")}
    assert len(told) == 2 * len(pruned)


@pytest.mark.slow
@pytest.mark.long
def test_a_bug_on_one_rank_fails_with_that_ranks_traceback(address: str, tmp_path: Path) -> None:
    ended = search("run", "--objective", write_causes(tmp_path, "bug"), "--workers", "1")
    assert ended.code == 1
    failed = trials(address, "causes")
    assert [trial.state for trial in failed] == [TrialState.FAIL] * 3
    assert "KeyError: 'a bug of mine'" in failed[0].user_attrs["error"]
    assert 'raise KeyError("a bug of mine")' in failed[0].user_attrs["traceback"]
    assert len({trial.user_attrs["kind"] for trial in failed}) == 1
