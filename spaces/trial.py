"""Values of domains from an Optuna trial."""

from __future__ import annotations

from typing import Any, Protocol

from spaces.domains import Categorical, Domain, Float, Int


class TrialLike(Protocol):
    """The part of an Optuna trial that a space uses."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...


def has_single_choice(domain: Domain) -> bool:
    """Return whether the domain is a choice that leaves no choice: not a parameter then."""
    return isinstance(domain, Categorical) and len(domain.choices) == 1


def suggest_value(trial: TrialLike, name: str, domain: Int | Float | Categorical) -> Any:
    """Return the trial's value of a domain."""
    if isinstance(domain, Categorical):
        # A single choice is not a parameter: it would be a constant column in every table and plot.
        return domain.choices[0] if has_single_choice(domain) else trial.suggest_categorical(name, domain.choices)
    if isinstance(domain, Int):
        return trial.suggest_int(name, domain.low, domain.high, step=domain.step, log=domain.log)
    return trial.suggest_float(name, domain.low, domain.high, step=domain.step, log=domain.log)
