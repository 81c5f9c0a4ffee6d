"""Which policy finds the best network for the fewest epochs: samplers and pruners on curves trained once.

    python -m tests.benchmarks.policy --curves digits.npz make --family mlp
    python -m tests.benchmarks.policy --curves digits.npz compare --methods default,tpe+median,random+halving
    python -m tests.benchmarks.policy stress --seeds 10 --kept stress.jsonl --tables digits.npz
    python -m tests.benchmarks.policy timing

`make` trains a grid of small networks of a family (families.py) on scikit-learn's digits (tabulate.py), in 10 to 20
minutes of one core. `compare` searches it over and over with four simulated workers (replay.py) and prints a row for
each policy (scores.py): `default`, or a sampler and a pruner by name, or `all` pairs of these. With `--experience`
other tables have been searched before, and a policy may learn from that. `stress` searches made-up tasks of every kind
on which a policy may fail, and tables (stress/). `timing` says how long a suggestion takes
(suggesting.py).
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from threadpoolctl import threadpool_limits

from objectives.base.seeds import derive_seed
from objectives.studies import digits_depth
from search.errors import UsageError
from search.strategies.gp.prior_models import PriorStudy
from search.strategies.policy import build_strategies, default_policy, propose_starting_points
from search.strategies.registry import DEFAULT_SAMPLER, PRUNERS, SAMPLERS, StrategySetting, find_pruner, find_sampler
from spaces import Domain, Float, Int, Space
from tests.benchmarks import curves, families, scores, suggesting
from tests.benchmarks.curves import Task
from tests.benchmarks.replay import replay
from tests.benchmarks.stress import table
from tests.benchmarks.stress.cases import CASES
from tests.benchmarks.stress.run import DEFAULT, Job, run
from tests.benchmarks.stress.run import METHODS as METHODS_UNDER_STRESS
from tests.benchmarks.stress.run import policy as policy_of

# A sampler, a pruner, and the parameters of the first trials.
Policy = tuple[BaseSampler, BasePruner, Sequence[Mapping[str, Any]]]

METHODS = f"{DEFAULT},random+halving,tpe+halving,tpe+hyperband,tpe+median,random+none"
EARLIER_TRIALS = 100


def simulated(
    space: Sequence[tuple[str, str, float, float, bool]],
    epochs: int,
    seed: int,
    experience: Sequence[Sequence[tuple[Mapping[str, Any], Sequence[float]]]],
) -> tuple[BaseSampler, BasePruner, list[dict[str, Any]]]:
    """The default policy for a simulator of plain tuples, whose trials report their first epoch as step 1.

    space: (name, "int" or "float", low, high, whether on a log scale). experience: earlier studies, each a list of
    (parameters, one accuracy an epoch).
    """
    earlier = [PriorStudy(name=f"earlier-{number}", trials=list(trials)) for number, trials in enumerate(experience)]
    domains = {name: _domain(kind, low, high, log) for name, kind, low, high, log in space}
    return default_policy(Space(domains), epochs, seed, earlier, first_step=1)


def _domain(kind: str, low: float, high: float, log: bool) -> Domain:
    if kind not in ("int", "float"):
        raise ValueError(f'a parameter is of kind "int" or "float", but got {kind!r}')
    return Int(int(low), int(high), log=log) if kind == "int" else Float(low, high, log=log)


def methods(text: str) -> list[str]:
    """The policies that a list names.

    Raises:
        UsageError: one is neither `default` nor a known sampler and a known pruner with a plus between them.
    """
    names = text.split(",")
    if names == ["all"]:
        names = [DEFAULT, *(f"{sampler}+{pruner}" for sampler in SAMPLERS for pruner in PRUNERS)]
    for name in names:
        if name != DEFAULT:
            sampler, _, pruner = name.partition("+")
            find_sampler(sampler)
            find_pruner(pruner)
    return names


def policy(method: str, setting: StrategySetting) -> Policy:
    """What a method's name stands for."""
    if method == DEFAULT:
        return default_policy(setting.space, setting.epochs, setting.seed, setting.experience)
    names = method.split("+")
    sampler, pruner = build_strategies(names[0], names[1], setting)
    return sampler, pruner, propose_starting_points(sampler)


def earlier(tasks: Sequence[Task], seed: int) -> list[PriorStudy]:
    """A study of each task as it would have been before there was any experience: random, with halving."""
    studies = []
    for task in tasks:
        setting = StrategySetting(space=task.space, epochs=task.epochs, seed=derive_seed(seed, task.name))
        found = replay(task, *policy("random+halving", setting), epochs=sys.maxsize, trials=EARLIER_TRIALS)
        studies.append(PriorStudy(name=task.name, trials=found.trials))
    return studies


def compare(given: argparse.Namespace) -> None:
    """Print the table of every method."""
    names, started = methods(given.methods), time.perf_counter()
    task, about = curves.read(given.curves)
    others = [curves.read(path)[0] for path in given.experience]
    settings = [
        StrategySetting(space=task.space, epochs=task.epochs, seed=seed, experience=earlier(others, seed))
        for seed in range(given.first_seed, given.first_seed + given.seeds)
    ]
    rows = []
    for name in names:
        replays = [replay(task, *policy(name, setting), epochs=given.budget * task.epochs) for setting in settings]
        rows.append(scores.row(task, name, replays, given.budget))
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    print(f"{about}\n{given.seeds} seeds from {given.first_seed}, 4 workers, {len(others)} earlier studies")
    print(f"Optuna {optuna.__version__}\n\n{scores.table(rows, given.budget)}")


def make(given: argparse.Namespace) -> None:
    """Train the grid of a family."""
    from tests.benchmarks import tabulate  # the one part that needs torch

    started = time.perf_counter()

    def progress(done: int, wanted: int) -> None:
        if done % 50 == 0 or done == wanted:
            print(f"{done} of {wanted}, {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)

    tabulate.make(
        given.curves,
        family=given.family,
        most=given.levels,
        epochs=given.epochs,
        seed=given.seed,
        classes=given.classes.split(",") if given.classes else None,
        progress=progress,
    )
    task, about = curves.read(given.curves)
    finals = task.finals
    middle = finals[len(finals) // 2]
    print(f"{about}\nbest {finals[-1]:.4f}, median {middle:.4f}, {time.perf_counter() - started:.0f} s")


def under_stress(given: argparse.Namespace) -> None:
    """Print the table of the cases."""
    names = [*(CASES if given.cases is None else filter(None, given.cases.split(","))), *map(str, given.tables)]
    wanted = methods(given.methods)
    jobs = [
        Job(case=case, method=method, seed=seed)
        for seed in range(given.first_seed, given.first_seed + given.seeds)
        for case in names
        for method in wanted
    ]
    found = run(jobs, given.kept, given.processes)
    print(f"{given.seeds} seeds from {given.first_seed}, Optuna {optuna.__version__}, {policy_of(DEFAULT)}")
    print("\n" + table.write(found, wanted))


def timing(given: argparse.Namespace) -> None:
    """Print how long suggestions take for the space of a shipped objective, one with conditions."""
    space = digits_depth.OBJECTIVE.space
    print(f"Optuna {optuna.__version__}, one thread, {platform.machine()}, the space of digits-depth")
    print(f"median, ninth decile and first of {given.suggestions} suggestions, in CPU milliseconds\n")
    print("| sampler | finished trials | earlier studies | median | 90% | first |\n|---|---|---|---|---|---|")
    for sampler in given.samplers.split(","):
        for trials in (int(text) for text in given.trials.split(",")):
            for studies in (0, given.earlier) if sampler == DEFAULT_SAMPLER else (0,):
                found = suggesting.times(sampler, space, trials=trials, earlier=studies, suggestions=given.suggestions)
                cells = (f"{1000 * seconds:.0f}" for seconds in (found.median, found.ninth, found.first))
                print(f"| {sampler} | {trials:,} | {studies} | {' | '.join(cells)} |", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.policy")
    parser.add_argument("--curves", type=Path, default=Path("curves.npz"))
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make")
    making.add_argument("--family", choices=families.FAMILIES, default="mlp")
    making.add_argument("--levels", type=int, default=5, help="of each parameter, at most")
    making.add_argument("--epochs", type=int, default=families.EPOCHS)
    making.add_argument("--seed", type=int, default=0)
    making.add_argument("--classes", help="digits to tell apart, such as 0,1,2,3,4; all where it is not given")
    making.set_defaults(run=make)
    comparing = commands.add_parser("compare")
    comparing.add_argument("--methods", default=METHODS, help="such as default,tpe+median; all for every pair")
    comparing.add_argument("--seeds", type=int, default=10)
    comparing.add_argument("--first-seed", type=int, default=0)
    comparing.add_argument("--budget", type=int, default=40, help="full trainings whose epochs may be spent")
    comparing.add_argument("--experience", type=Path, nargs="*", default=[], help="tables searched before")
    comparing.set_defaults(run=compare)
    stressing = commands.add_parser("stress")
    stressing.add_argument("--methods", default=",".join(METHODS_UNDER_STRESS))
    stressing.add_argument("--cases", help="with commas between; all where it is not given, none if empty")
    stressing.add_argument("--tables", type=Path, nargs="*", default=[], help="tables that `make` has trained")
    stressing.add_argument("--seeds", type=int, default=10)
    stressing.add_argument("--first-seed", type=int, default=0)
    stressing.add_argument("--kept", type=Path, default=Path("stress.jsonl"), help="outcomes, so that a run goes on")
    stressing.add_argument("--processes", type=int, default=1)
    stressing.set_defaults(run=under_stress)
    taking = commands.add_parser("timing")
    taking.add_argument("--samplers", default=DEFAULT_SAMPLER)
    taking.add_argument("--trials", default="100,1000,10000")
    taking.add_argument("--earlier", type=int, default=11)
    taking.add_argument("--suggestions", type=int, default=30)
    taking.set_defaults(run=timing)
    return parser.parse_args()


def main() -> None:
    """Do one of the three; on one core, so that numbers compare."""
    given = _arguments()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with threadpool_limits(1):
            given.run(given)
    except UsageError as error:
        sys.exit(f"policy: {error}")
    except FileNotFoundError as error:
        sys.exit(f"policy: there is no table {error.filename}; train one with `--curves {error.filename} make`")


if __name__ == "__main__":
    main()
