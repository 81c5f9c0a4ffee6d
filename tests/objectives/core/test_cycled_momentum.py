"""Momentum is a parameter only beside schedules that leave it alone."""

from dataclasses import replace

import pytest

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Choice, Domain, Fixed, Float, Space, override
from tests.objectives.training.made import CONFIG, equal, trained

BASE = Space(depth=Fixed(2), width=Fixed(8))


def _objective(*schedules: str, optimizers: tuple[str, ...] = ("nesterov",), **options: Domain) -> Objective:
    space = BASE.replace(optimizer=choose(OPTIMIZERS, *optimizers, **options), schedule=choose(SCHEDULES, *schedules))
    return Objective(data="digits", model="mlp", space=space)


def _describe(objective: Objective) -> dict[str, str]:
    return {entry.name: str(entry.domain) for entry in objective.space.entries()}


def test_it_exists_beside_the_other_schedules() -> None:
    found = _describe(_objective("cosine", "one_cycle"))
    assert found["nesterov.momentum"] == "0.5:0.99 unless schedule is one_cycle"


def test_it_does_not_exist_where_all_schedules_move_it() -> None:
    objective = _objective("one_cycle")
    assert "nesterov.momentum" not in _describe(objective)
    narrowed = _objective("cosine", "one_cycle")
    assert replace(narrowed, space=override(narrowed.space, ["schedule=one_cycle"])).space == objective.space


def test_a_space_without_such_a_schedule_is_as_it_was() -> None:
    plain = _objective("cosine", "plateau")
    both = _objective("cosine", "plateau", "one_cycle")
    assert _describe(plain)["nesterov.momentum"] == "0.5:0.99"
    assert replace(both, space=override(both.space, ["schedule=cosine,plateau"])).space == plain.space


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if "beta1" in OPTIMIZERS[name].space.domains])
def test_a_searched_beta1_is_treated_likewise(name: str) -> None:
    searched = _objective("constant", "one_cycle", optimizers=(name,), beta1=Float(0.8, 0.95))
    assert _describe(searched)[f"{name}.beta1"] == "0.8:0.95 unless schedule is one_cycle"
    assert _describe(_objective("constant", "one_cycle", optimizers=(name,)))[f"{name}.beta1"] == "= 0.9"


def test_it_is_found_in_recipes() -> None:
    optimizer = choose(OPTIMIZERS, "nesterov")
    recipe = Categorical(
        {
            "cycle": Space(schedule=Fixed("one_cycle"), optimizer=optimizer),
            "plain": Space(schedule=Fixed("cosine"), optimizer=optimizer),
        },
        inline=True,
    )
    space = Objective(data="digits", model="mlp", space=BASE.replace(recipe=recipe)).space
    rate = {"cycle.nesterov.learning_rate": 0.1}
    assert "momentum" not in space.replay({"recipe": "cycle", **rate}).optimizer.options


def test_the_cycle_has_two_ends_of_its_own_and_an_older_configuration_means_what_it_did() -> None:
    """A stored configuration has a momentum of its own, which was ignored, and no ends of the cycle: 0.95 and 0.85."""
    own, stored = (
        CONFIG.replace(schedule="one_cycle", optimizer=Choice("nesterov", {"learning_rate": 0.1, **options}))
        for options in ({}, {"momentum": 0.5})
    )
    standard = Choice("one_cycle", {"momentum_high": 0.95, "momentum_low": 0.85})
    models = [trained(config=config, epochs=1)[0] for config in (own, stored, own.replace(schedule=standard))]
    assert equal(models[0], models[1])
    assert equal(models[0], models[2])
    for end in ("momentum_high", "momentum_low"):
        other = Choice("one_cycle", {end: 0.9})
        assert not equal(models[0], trained(config=own.replace(schedule=other), epochs=1)[0])
