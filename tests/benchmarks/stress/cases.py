"""The cases: what a task is like, how long its trainings are, how many workers there are and what may be spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spaces import Categorical, Domain, Float, Int, Space
from tests.benchmarks.stress.surfaces import Surface, Traits, overtake, slow_winner


def floats(count: int) -> Space:
    """Return a space of numbers, half of them on a log scale."""
    domains: dict[str, Domain] = {
        f"x{place}": Float(1e-4, 1.0, log=True) if place % 2 else Float(0.0, 1.0) for place in range(count)
    }
    return Space(domains)


def whole_numbers() -> Space:
    """Return a space of one whole number of 8 values."""
    return Space(x0=Int(1, 8))


def choices() -> Space:
    """Return a space of five choices of six."""
    return Space({f"x{place}": Categorical(*"abcdef") for place in range(5)})


def conditional() -> Space:
    """Return a space of which a choice of three decides what else exists."""
    return Space(
        rule=Categorical(
            {
                "sgd": Space(rate=Float(1e-4, 1.0, log=True), momentum=Float(0.0, 0.99)),
                "adam": Space(rate=Float(1e-4, 1.0, log=True), decay=Float(1e-6, 1.0, log=True)),
                "plain": Space(rate=Float(1e-4, 1.0, log=True)),
            }
        ),
        depth=Int(1, 8),
        width=Int(8, 512, log=True),
    )


@dataclass(frozen=True, kw_only=True)
class Case:
    """A task and how it is searched."""

    space: Space = field(default_factory=lambda: floats(5))
    epochs: int = 20
    traits: Traits = field(default_factory=Traits)
    workers: int = 4
    budget: int = 40
    """Full trainings whose epochs may be spent."""
    trials: int | None = None
    """Trials of the plan; None for as many as the budget allows."""

    def task(self, seed: int) -> Surface:
        """Return a task of this kind, another one for every seed."""
        return Surface("surface", self.space, self.epochs, seed, self.traits)


CASES: Mapping[str, Case] = {
    "best inside": Case(),
    "best in a corner": Case(traits=Traits(corner=True)),
    "2 epochs at chance": Case(traits=Traits(tied=(2, 2))),
    "3 to 8 epochs at chance": Case(traits=Traits(tied=(3, 8))),
    "5 epochs at chance": Case(traits=Traits(tied=(5, 5))),
    "5 noisy epochs at chance": Case(traits=Traits(tied=(5, 5), noise=0.003)),
    "best overtake half way": Case(traits=Traits(shape=overtake(0.55))),
    "best overtake early": Case(traits=Traits(shape=overtake(0.25))),
    "slow winner fast rivals": Case(traits=Traits(shape=slow_winner)),
    "noise of 0.3 points": Case(traits=Traits(noise=0.003)),
    "noise of 2 points": Case(traits=Traits(noise=0.02)),
    "1 epoch": Case(epochs=1),
    "5 epochs": Case(epochs=5),
    "50 epochs": Case(epochs=50),
    "200 epochs": Case(epochs=200, budget=20),
    "1 parameter": Case(space=floats(1)),
    "2 of 15 parameters matter": Case(space=floats(15), traits=Traits(matter=2)),
    "15 parameters": Case(space=floats(15)),
    "8 whole numbers": Case(space=whole_numbers()),
    "5 choices of 6": Case(space=choices()),
    "half diverges": Case(traits=Traits(diverging=True)),
    "conditional": Case(space=conditional()),
    "losses of a million": Case(traits=Traits(scale=1e6)),
    "losses of a millionth": Case(traits=Traits(scale=1e-6)),
    "1 worker": Case(workers=1),
    "16 workers": Case(workers=16),
    "64 workers": Case(workers=64, budget=60),
    "256 workers": Case(workers=256, budget=120),
    "10 trials": Case(trials=10),
    "30 trials": Case(trials=30),
    "100 trials": Case(trials=100, budget=100),
    "30 trials of 200 epochs": Case(trials=30, epochs=200),
}
"""By name."""
