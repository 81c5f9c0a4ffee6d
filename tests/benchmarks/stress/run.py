"""Runs policies on cases; what has been found is kept in a file, so that a run that was interrupted goes on."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from threadpoolctl import threadpool_limits

from search.strategies.policy import build_strategies, describe_policy
from search.strategies.registry import DEFAULT_PRUNER, DEFAULT_SAMPLER, PRUNERS, SAMPLERS, StrategySetting
from tests.benchmarks import curves
from tests.benchmarks.replay import Searched, replay
from tests.benchmarks.scores import regret
from tests.benchmarks.stress.cases import CASES, Case

DEFAULT = "default"
METHODS = (DEFAULT, "random+halving", "tpe+median", "tpe+hyperband", "curves+none", "random+none")
MARKS = (0.125, 0.25, 0.5, 1.0)
"""Shares of a case's budget after which the best network so far is judged."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One search: of a case, or of the table in a file, by a method."""

    case: str
    method: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a search came to."""

    case: str
    method: str
    seed: int
    policy: str
    """The versions of the sampler and the pruner."""
    regrets: Sequence[float]
    """Of the best network seen at each of `MARKS`."""
    completed: float
    """Of the best network that was trained to its end."""
    epochs: float
    """Full trainings' worth of epochs that were spent."""
    trials: int
    repeats: int
    """Trials of a configuration that had been tried before."""


def search(job: Job) -> Outcome:
    """Run one search."""
    case, task, direction = _find(job)
    setting = StrategySetting(space=task.space, epochs=task.epochs, seed=job.seed, trials=case.trials)
    budget = case.budget * task.epochs
    sampler, pruner = strategies(job.method, setting)
    found = replay(
        task, sampler, pruner, [], epochs=budget, workers=case.workers, trials=case.trials, direction=direction
    )
    distinct = {json.dumps(dict(parameters), sort_keys=True) for parameters, _ in found.trials}
    return Outcome(
        **asdict(job),
        policy=policy(job.method),
        regrets=[regret(task, found.best, round(mark * budget)) for mark in MARKS],
        completed=regret(task, found.completed, budget),
        epochs=found.epochs / task.epochs,
        trials=len(found.trials),
        repeats=len(found.trials) - len(distinct),
    )


def strategies(method: str, setting: StrategySetting) -> tuple[BaseSampler, BasePruner]:
    """Return the default policy, or a plain sampler and pruner by name without what our studies add to them."""
    if method == DEFAULT:
        return build_strategies(DEFAULT_SAMPLER, DEFAULT_PRUNER, setting)
    sampler, _, pruner = method.partition("+")
    return SAMPLERS[sampler].build(setting), PRUNERS[pruner].build(setting)


def policy(method: str) -> str:
    """Return the versions of a method's parts: an outcome of others is out of date."""
    return describe_policy(*([DEFAULT_SAMPLER, DEFAULT_PRUNER] if method == DEFAULT else method.split("+")))


def run(jobs: Sequence[Job], kept: Path, processes: int) -> list[Outcome]:
    """Run the searches that the file does not have yet, and return the outcomes of all jobs in their order."""
    known = {_key(outcome, outcome.policy): outcome for outcome in _read(kept)}
    missing = [job for job in jobs if _key(job, policy(job.method)) not in known]
    with multiprocessing.get_context("forkserver").Pool(processes, _prepare) as pool, kept.open("a") as file:
        for outcome in pool.imap_unordered(search, missing):
            file.write(json.dumps(asdict(outcome)) + "\n")
            file.flush()
            known[_key(outcome, outcome.policy)] = outcome
    return [known[_key(job, policy(job.method))] for job in jobs]


def _find(job: Job) -> tuple[Case, Searched, str]:
    if job.case in CASES:
        case = CASES[job.case]
        return case, case.task(job.seed), "maximize" if case.traits.scale is None else "minimize"
    table, _ = curves.read(Path(job.case))
    return Case(), table, "maximize"


def _read(kept: Path) -> list[Outcome]:
    if not kept.exists():
        return []
    return [Outcome(**json.loads(line)) for line in kept.read_text().splitlines()]


def _key(of: Job | Outcome, version: str) -> tuple[str, str, int, str]:
    return of.case, of.method, of.seed, version


def _prepare() -> None:
    os.nice(5)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    threadpool_limits(1)
