"""What is compared: methods by name, the settings that all their studies share, and which of them run side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.errors import UsageError
from search.strategies.registry import find_pruner, find_sampler
from tests.benchmarks.race import OTHERS

DEFAULT = "default"
# The policy that ships, and what it learns from.
SHIPPED: Mapping[str, str] = {DEFAULT: "none", "default+experience": "shipped"}
# More than any study trains in its time: its plan has no number of trials.
UNLIMITED = "1000000R"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every study has in common; None leaves a value to the objective."""

    objective: str
    seconds: float
    """From the creation of a study until it ends."""
    train_examples: int | None
    epochs: int | None
    workers: int
    device: str
    at_once: int
    """How many studies share the machine."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One study of a method."""

    method: str
    seed: int

    @property
    def name(self) -> str:
        """For files."""
        return f"{self.method}-{self.seed}"


def parse_methods(text: str) -> list[str]:
    """Return the methods that a list names.

    Raises:
        UsageError: one is neither a shipped policy nor a known sampler and a known pruner with a plus between them.
    """
    names = text.split(",")
    for name in names:
        if name not in SHIPPED:
            sampler, _, pruner = name.partition("+")
            find_sampler(sampler)
            find_pruner(pruner)
    if len(set(names)) < len(names):
        raise UsageError(f"--methods names one of {text} twice; name each once")
    return names


def plan_batches(methods: Sequence[str], seeds: Sequence[int], at_once: int) -> list[list[Run]]:
    """Return the runs in order: those of a batch share the machine, and a seed's methods never differ in what they had.

    Raises:
        UsageError: a batch would hold some methods of a seed but not all.
    """
    if at_once != 1 and at_once % len(methods):
        raise UsageError(
            f"--at-once must be 1 or a multiple of the number of methods, {len(methods)}, so that all methods of a "
            f"seed share the machine with equally many others, but got {at_once}"
        )
    runs = [Run(method=method, seed=seed) for seed in seeds for method in methods]
    return [runs[start : start + at_once] for start in range(0, len(runs), at_once)]


def describe(settings: Settings) -> str:
    """Return the settings for people."""
    examples = "all" if settings.train_examples is None else f"{settings.train_examples:,}"
    return (
        f"{settings.objective}, {examples} training examples, {settings.seconds / 60:g} minutes a study, "
        f"{settings.workers} worker{'s' if settings.workers > 1 else ''} each on {settings.device}, "
        f"{settings.at_once} at once"
    )


def write_flags(settings: Settings, run: Run, study: str) -> list[str]:
    """Return the arguments of `search` for a run."""
    optional = {"--train-examples": settings.train_examples, "--epochs": settings.epochs}
    return [
        *("run", "--study", study, "--objective", settings.objective, "--seed", str(run.seed)),
        *("--budget", UNLIMITED, "--timeout", str(settings.seconds)),
        *("--workers", str(settings.workers), "--device", settings.device),
        *(part for flag, value in optional.items() if value is not None for part in (flag, str(value))),
        *_choose_policy(run.method),
    ]


def _choose_policy(method: str) -> list[str]:
    if method in SHIPPED:
        return ["--experience", SHIPPED[method]]
    sampler, _, pruner = method.partition("+")
    return ["--sampler", sampler, "--pruner", pruner, "--experience", "none", *OTHERS]
