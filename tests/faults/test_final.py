"""The final step under fire: killed at any moment, started many times at once, told to end. One claim, one score.

Every test has a copy of the database of one small study on digits.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import at, execute
from tests.faults.eye import Eye, killed, moment
from tests.search.command import Ended, Process, done, kill_group, start

pytestmark = pytest.mark.faults

STUDY = ("--study", "digits-depth")
RUN = ("run", *STUDY, "--trials", "2", "--epochs", "3", "--workers", "1")
KILLS = 20

# The winner's best epoch, moved so far that its retraining does not end by itself.
ENDLESS = """
    INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
    SELECT trial_id, 1000000, 2, 'FINITE' FROM trial_values ORDER BY value DESC LIMIT 1
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, server: str, template: str) -> Iterator[tuple[str, Path]]:
    """The name of a database with the searched study, and the cache with its data."""
    execute(server, f"CREATE DATABASE final_searched TEMPLATE {template}")
    cache = tmp_path_factory.mktemp("searched")
    done(*RUN, env={"SEARCH_STORAGE": at(server, "final_searched"), "SEARCH_CACHE": str(cache)})
    yield "final_searched", cache
    execute(server, "DROP DATABASE final_searched WITH (FORCE)")


@pytest.fixture
def eyes(server: str, searched: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Eye]]:
    """Return a function that copies that database and watches the copy."""
    made: list[Eye] = []
    original, cache = searched
    monkeypatch.setenv("SEARCH_CACHE", str(cache))

    def copy() -> Eye:
        name = f"final_{secrets.token_hex(6)}"
        execute(server, f"CREATE DATABASE {name} TEMPLATE {original}")
        made.append(Eye(at(server, name), name))
        return made[-1]

    yield copy
    for eye in made:
        eye.close()
        execute(server, f"DROP DATABASE {eye.database} WITH (FORCE)")


@pytest.fixture
def eye(eyes: Callable[[], Eye]) -> Eye:
    return eyes()


def final(eye: Eye, out: Path, *flags: str) -> Process:
    return start("final", *STUDY, "--json", "--out", out, *flags, env={"SEARCH_STORAGE": eye.address})


def ended(process: Process, seconds: float = 240) -> Ended:
    out, err = process.communicate(timeout=seconds)
    return Ended(process.returncode, out, err)


def result(process: Process) -> dict[str, Any]:
    end = ended(process)
    assert end.code == 0, end.err
    found: dict[str, Any] = end.document
    return found


def check_scored_once(eye: Eye, out: Path, found: dict[str, Any]) -> None:
    """Check for one row, one score, the first look, and the same weights in claim, result and folder, all described."""
    [row] = eye.rows()
    assert row.look == found["look"] == found["looks"] == 1
    assert row.result is not None
    assert row.result.items() <= found.items()
    assert row.weights == found["weights_sha256"]
    assert hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest() == row.weights
    stored = json.loads((out / "config.json").read_text())["result"]
    assert stored == {name: value for name, value in found.items() if name != "first_time"}
    assert row.weights in (out / "README.md").read_text()


def test_killed_at_the_moments_that_matter(eye: Eye, tmp_path: Path) -> None:
    training = final(eye, tmp_path)
    assert moment(training, eye.has_turn)
    killed(training)
    claims = []
    for _ in range(2):  # the second resumes the claim of the first
        process = final(eye, tmp_path)
        assert moment(process, eye.has_turn)
        with eye.no_score():
            assert moment(process, eye.is_at_the_score)
            killed(process)
        [row] = eye.rows()
        assert (row.look, row.result) == (None, None)
        claims.append((row.weights, row.claimed_at))
    found = result(final(eye, tmp_path))
    assert found["first_time"] is True
    check_scored_once(eye, tmp_path, found)
    [row] = eye.rows()
    assert {*claims, (row.weights, row.claimed_at)} == {claims[0]}


@dataclass(frozen=True)
class Course:
    """Seconds that an undisturbed final step takes to its turn, from there to its claim, and from there to its end."""

    turn: float
    claim: float
    end: float


def measured(eye: Eye, out: Path) -> Course:
    moments = [time.monotonic()]
    process = final(eye, out)
    for condition in (eye.has_turn, eye.is_claimed):
        assert moment(process, condition)
        moments.append(time.monotonic())
    result(process)
    moments.append(time.monotonic())
    return Course(*(after - before for before, after in itertools.pairwise(moments)))


@pytest.mark.long
def test_killed_at_twenty_moments(eyes: Callable[[], Eye], tmp_path: Path) -> None:
    course = measured(eyes(), tmp_path / "measured")
    eye, out, generator = eyes(), tmp_path / "out", random.Random(20)
    # Half of them up to the turn, the other half close together after it: to the claim, and then to the score.
    early = [generator.uniform(0, course.turn) for _ in range(KILLS // 2)]
    to_the_claim = sorted(generator.uniform(0, course.claim) for _ in range(KILLS // 4))
    to_the_score = sorted(generator.uniform(0, course.end) for _ in range(KILLS // 4))
    claims: set[tuple[str, object]] = set()
    hit = 0
    for seconds in early:
        due = time.monotonic() + seconds
        process = final(eye, out)
        hit += moment(process, lambda due=due: eye.has_turn() or time.monotonic() > due)  # type: ignore[misc]
        killed(process)
    for seconds in to_the_claim + to_the_score:
        process = final(eye, out)
        moment(process, eye.has_turn)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        hit += process.poll() is None
        killed(process)
        claims |= {(row.weights, row.claimed_at) for row in eye.rows()}
    assert hit > KILLS // 2, "hardly one was still there to be killed after its turn had come"
    check_scored_once(eye, out, result(final(eye, out)))
    [row] = eye.rows()
    assert claims <= {(row.weights, row.claimed_at)}


def at_once(eye: Eye, out: Path, count: int) -> None:
    """Start `count` commands, and check that one of them scores and the others print that score."""
    processes = [final(eye, out) for _ in range(count)]
    found = [result(process) for process in processes]
    assert sorted(one.pop("first_time") for one in found) == [False] * (count - 1) + [True]
    assert all(one == found[0] for one in found)
    check_scored_once(eye, out, found[0])


def test_three_at_once_score_once(eye: Eye, tmp_path: Path) -> None:
    at_once(eye, tmp_path, 3)


@pytest.mark.long
def test_sixteen_at_once_score_once(eye: Eye, tmp_path: Path) -> None:
    at_once(eye, tmp_path, 16)


@pytest.mark.long
def test_two_at_once_that_open_again_make_one_opening(eye: Eye, tmp_path: Path) -> None:
    result(final(eye, tmp_path))
    with eye.turn():
        processes = [final(eye, tmp_path, "--reopen", f"reason {number}") for number in range(2)]
        for process in processes:
            assert moment(process, lambda: len(eye.asking()) == 2)
    found = [result(process) for process in processes]
    assert sorted(one.pop("first_time") for one in found) == [False, True]
    assert found[0] == found[1]
    assert [row.look for row in eye.rows()] == [1, 2]
    assert [opening["look"] for opening in found[0]["openings"]] == [1, 2]


def test_told_to_end_while_it_trains(eyes: Callable[[], Eye], tmp_path: Path) -> None:
    numbers = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated")}
    told = {number: eyes() for number in numbers}
    for eye in told.values():
        execute(eye.address, ENDLESS)
    processes = {number: final(eye, tmp_path / str(number)) for number, eye in told.items()}
    for number, process in processes.items():
        assert moment(process, told[number].has_turn), ended(process).err
        kill_group(process, number)
    for number, process in processes.items():
        end = ended(process, seconds=30)
        code, word = numbers[number]
        assert (end.code, end.out, end.err.splitlines()[-1]) == (code, "", word)
        assert "Traceback" not in end.err
        assert told[number].rows() == []
        assert not (tmp_path / str(number)).exists()


def test_told_to_end_while_it_waits_for_another(eye: Eye, tmp_path: Path) -> None:
    with eye.turn():
        process = final(eye, tmp_path)
        assert moment(process, lambda: bool(eye.asking()))
        process.terminate()
        end = ended(process, seconds=30)
    assert (end.code, end.out) == (143, "")
    assert "Traceback" not in end.err
